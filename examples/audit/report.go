package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/lakekey/lakekey/fido/audit/review"
)

func reportFlags(fs *flag.FlagSet, o *options) {
	fs.StringVar(&o.since, "since", "", "day or time `T` with which the period under review begins; the log's beginning if empty")
	fs.StringVar(&o.asOf, "as-of", "", "day or time `T` with which it ends, and for which holders are listed; the log's end if empty")
	fs.StringVar(&o.out, "out", "access-review", "`DIR` for the report: index.html, and each table as a .csv")
}

func report(ctx context.Context, o *options, stdout io.Writer) error {
	since, err := moment("-since", o.since, false)
	if err != nil {
		return err
	}
	asOf, err := moment("-as-of", o.asOf, true)
	if err != nil {
		return err
	}
	if !asOf.IsZero() && !since.Before(asOf) {
		return fmt.Errorf("-since %s is not before -as-of %s", o.since, o.asOf)
	}
	v := review.New(review.Options{Since: since, AsOf: asOf})
	verified, err := o.verified(ctx, v.Add)
	if err != nil {
		return err
	}
	r := v.Finish(o.verifier.Name(), verified)
	if err := os.MkdirAll(o.out, 0o700); err != nil {
		return fmt.Errorf("-out: %v", err)
	}
	if err := writeFile(filepath.Join(o.out, "index.html"), r.WriteHTML); err != nil {
		return err
	}
	for _, t := range r.Tables {
		if err := writeFile(filepath.Join(o.out, t.Name+".csv"), t.WriteCSV); err != nil {
			return err
		}
	}
	say(stdout, verified)
	for _, f := range r.Figures {
		mark := " "
		if f.Flag {
			mark = "!"
		}
		fmt.Fprintf(stdout, "%s %6s  %s\n", mark, f.Value, f.Name)
	}
	fmt.Fprintf(stdout, "report: %s (what the log cannot say stands at its end)\n", filepath.Join(o.out, "index.html"))
	return nil
}
