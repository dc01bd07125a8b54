package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"time"

	"github.com/lakekey/lakekey/fido/audit"
)

func verifyFlags(*flag.FlagSet, *options) {}

func verify(ctx context.Context, o *options, stdout io.Writer) error {
	report, err := o.verified(ctx, nil)
	if err != nil {
		return err
	}
	say(stdout, report)
	return nil
}

// say says what a log that verifies holds.
func say(w io.Writer, r *audit.Report) {
	fmt.Fprintf(w, "verified: %d records, root %s\n", r.Records, r.Root)
	if r.Records > 0 {
		fmt.Fprintf(w, "from %s to %s, %d of them under a signed checkpoint\n", r.First.Format(time.RFC3339), r.Last.Format(time.RFC3339), r.Signed)
	}
	if r.Unfinished > 0 {
		fmt.Fprintf(w, "%d bytes after the last record are no record: of a write that is under way, or that was cut short\n", r.Unfinished)
	}
	for _, open := range r.OpenIntents {
		fmt.Fprintf(w, "record %d, %s at %s: was about to be done, and no record says whether it was\n", open.Record, open.Type, open.Time.Format(time.RFC3339))
	}
}
