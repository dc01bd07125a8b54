package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/lakekey/lakekey/examples/internal/cli"
	"github.com/lakekey/lakekey/examples/internal/provider"
	"github.com/lakekey/lakekey/oidc/certwatch"
)

// doctor says what will expire. It fails if something is wrong now: a certificate that
// has expired, or a document that cannot be read.
func doctor(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	fs := flag.NewFlagSet("idp doctor", flag.ContinueOnError)
	others := fs.String("providers", "", "the file of other identity providers, whose certificates are looked at")
	db := fs.String("db", "", "the -db of the running provider, whose signing keys are looked at")
	if err := cli.Parse(fs, usage, args, stderr); err != nil {
		return err
	}
	switch {
	case fs.NArg() > 0:
		return cli.Usagef("%q: no arguments are taken beside flags", fs.Arg(0))
	case *others == "" && *db == "":
		return cli.Usagef("-providers and -db are missing: what should be looked at?")
	}
	now := time.Now()
	table := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "WHOSE\tWHAT\tDAYS LEFT\tUNTIL")
	var failed error
	if *others != "" {
		all, err := provider.Certificates(ctx, *others, func(w certwatch.Warning) {
			fmt.Fprintf(stderr, "idp: %s\n", w)
			if w.Days < 0 && !w.Successor {
				failed = errors.Join(failed, fmt.Errorf("%s has only certificates that have expired", w.Certificate.Source))
			}
		})
		for _, c := range all {
			fmt.Fprintf(table, "%s\tcertificate %.16s %s\t%d\t%s\n", c.Source, c.SHA256, c.Subject, c.DaysLeft(now), at(c.NotAfter))
		}
		failed = errors.Join(err, failed)
	}
	if *db != "" {
		failed = errors.Join(failed, signingKeys(ctx, *db, now, table))
	}
	return errors.Join(table.Flush(), failed)
}

// signingKeys says when the key that signs is replaced by the one that waits.
func signingKeys(ctx context.Context, db string, now time.Time, table io.Writer) (err error) {
	ring, closed, err := provider.Keyring(ctx, db)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closed()) }()
	all, err := ring.List(ctx)
	if err != nil {
		return err
	}
	switch signs, next := provider.Succession(all); {
	case signs == nil:
		return errors.New("no key signs now: was it revoked? idp keys list says more, and idp keys rotate makes another")
	case next == nil:
		fmt.Fprintf(table, "this provider\tsigning key %.16s, which nothing replaces by itself\t-\t-\n", signs.ID)
	default:
		fmt.Fprintf(table, "this provider\tsigning key %.16s, then %.16s\t%d\t%s\n", signs.ID, next.ID, int(next.SignsFrom.Sub(now).Hours()/24), at(next.SignsFrom))
	}
	return nil
}
