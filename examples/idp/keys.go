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
	"github.com/lakekey/lakekey/oidc/issuer"
)

// keys looks after the keys that tokens are signed with, while the provider runs.
func keys(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	fs := flag.NewFlagSet("idp keys", flag.ContinueOnError)
	db := fs.String("db", "", "the -db of the running provider: sqlite:FILE or postgres://…")
	kid := fs.String("kid", "", "the key to revoke, as keys list names it")
	reason := fs.String("reason", "", "why it is revoked, for the audit log")
	act := ""
	if len(args) > 0 && (len(args[0]) == 0 || args[0][0] != '-') {
		act, args = args[0], args[1:]
	}
	if err := cli.Parse(fs, usage, args, stderr); err != nil {
		return err
	}
	switch {
	case act != "list" && act != "rotate" && act != "revoke":
		return cli.Usagef("keys %q: say keys list, keys rotate or keys revoke", act)
	case fs.NArg() > 0:
		return cli.Usagef("%q: no arguments are taken beside flags", fs.Arg(0))
	case *db == "":
		return cli.Usagef("-db is missing: give the -db of the running provider, such as sqlite:lakekey.db")
	case act == "revoke" && *kid == "":
		return cli.Usagef("-kid is missing: which key? idp keys list names them")
	case act == "revoke" && *reason == "":
		return cli.Usagef("-reason is missing: the audit log says why a key was revoked. For instance -reason 'its backup was stolen'")
	}
	ring, closed, err := provider.Keyring(ctx, *db)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closed()) }()
	switch act {
	case "rotate":
		next, err := ring.Rotate(ctx)
		if err != nil {
			return err
		}
		fmt.Fprintln(stdout, next.ID)
		fmt.Fprintf(stderr, "idp: that key is published from now on, and signs from %s, when every cache knows it\n", at(next.SignsFrom))
		return nil
	case "revoke":
		err := ring.Revoke(ctx, *kid, *reason)
		if errors.Is(err, issuer.ErrNotFound) {
			return fmt.Errorf("there is no key %q: idp keys list names them", *kid)
		}
		if err != nil {
			return err
		}
		fmt.Fprintln(stderr, "idp: that key is out within five seconds, and the tokens that it has signed with it; sessions go on with the next one")
		return nil
	}
	return list(ctx, ring, stdout)
}

func list(ctx context.Context, ring *issuer.Keyring, stdout io.Writer) error {
	all, err := ring.List(ctx)
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "KID\tALG\tSTATUS\tSIGNS FROM\tPUBLISHED UNTIL")
	for _, k := range all {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", k.ID, k.Algorithm, k.Status, at(k.SignsFrom), at(k.PublishedUntil))
	}
	return table.Flush()
}

func at(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format("2006-01-02 15:04")
}
