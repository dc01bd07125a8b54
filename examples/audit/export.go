package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/lakekey/lakekey/fido/audit/export"
)

func exportFlags(fs *flag.FlagSet, o *options) {
	fs.StringVar(&o.format, "format", "", "`FORMAT`: ocsf, csv or jsonl")
	fs.StringVar(&o.since, "since", "", "only records from day or time `T` on")
	fs.StringVar(&o.asOf, "until", "", "only records up to day `T`, or before time T")
	fs.Var(&o.types, "type", "only records of type `T`, such as session.end, or credential. for all that begin so; may be repeated")
	fs.StringVar(&o.user, "user", "", "only records about or by `NAME`")
	fs.StringVar(&o.out, "out", "", "`FILE` for the records; standard output if empty")
}

func exportRecords(ctx context.Context, o *options, stdout io.Writer) error {
	if o.format == "" {
		return errors.New("-format is missing: ocsf, csv or jsonl?")
	}
	filter := export.Filter{Types: o.types, User: o.user}
	var err error
	if filter.Since, err = moment("-since", o.since, false); err != nil {
		return err
	}
	if filter.Until, err = moment("-until", o.asOf, true); err != nil {
		return err
	}
	// Nothing leaves before the last record has verified.
	spool, err := os.CreateTemp("", "audit-export-*")
	if err != nil {
		return fmt.Errorf("a place to gather the records: %v", err)
	}
	defer os.Remove(spool.Name())
	defer spool.Close()
	buffered := bufio.NewWriterSize(spool, 1<<16)
	w, err := export.NewWriter(buffered, export.Format(o.format), o.verifier.Name(), filter)
	if err != nil {
		return fmt.Errorf("-format: %w", err)
	}
	if _, err = o.verified(ctx, w.Write); err == nil {
		err = errors.Join(w.Close(), buffered.Flush())
	}
	if err != nil {
		return err
	}
	if _, err := spool.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("reading what was gathered: %v", err)
	}
	if err := o.write(stdout, spool); err != nil {
		return err
	}
	if o.out != "" {
		fmt.Fprintf(stdout, "exported: %d records to %s\n", w.Written(), o.out)
	}
	return nil
}

// moment reads a day or a time. A day that ends something is over when the next
// begins.
func moment(name, s string, ends bool) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	if t, err := time.Parse(time.DateOnly, s); err == nil {
		if ends {
			t = t.AddDate(0, 0, 1)
		}
		return t, nil
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return time.Time{}, fmt.Errorf("%s: %q is neither a day like 2026-03-31 nor a time like 2026-03-31T12:00:00Z", name, s)
	}
	return t, nil
}
