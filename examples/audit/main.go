package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/lakekey/lakekey/examples/internal/cli"
	"github.com/lakekey/lakekey/fido/audit"
)

const usage = `audit reads the audit log of a provider as an auditor does.

usage:
  audit verify -log FILE -key KEY [-checkpoint FILE ...]

exits with 0 if the log is what was written, 1 if it is not, 2 if that could not be found out.

`

func main() { os.Exit(cli.Run(run)) }

// run is main with its surroundings passed in; it returns the exit status.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	fs := flag.NewFlagSet("audit", flag.ContinueOnError)
	log := fs.String("log", "", "`FILE` of the log; the checkpoint beside it, in FILE.checkpoint, is used too")
	key := fs.String("key", "", "verifier `KEY` of the log, which the provider prints when it starts")
	var kept cli.List
	fs.Var(&kept, "checkpoint", "`FILE` with a checkpoint that was kept elsewhere; may be repeated")
	if len(args) > 0 && args[0] == "verify" {
		args = args[1:]
	} else if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		return cli.Status(ctx, "audit", cli.Usagef("%q: the command is verify", args[0]), stderr)
	}
	if err := cli.Parse(fs, usage, args, stderr); err != nil {
		return cli.Status(ctx, "audit", err, stderr)
	}
	report, err := verify(*log, *key, kept)
	tampered, found := errors.AsType[*audit.TamperError](err)
	switch {
	case found && tampered.Record > 0:
		fmt.Fprintf(stdout, "NOT what was written: record %d is the first concerned (%s)\n%v\n", tampered.Record, tampered.Kind, err)
		return 1
	case found:
		fmt.Fprintf(stdout, "NOT what was written (%s)\n%v\n", tampered.Kind, err)
		return 1
	case err != nil:
		fmt.Fprintln(stderr, "audit:", err)
		return 2
	}
	fmt.Fprintf(stdout, "verified: %d records, root %s\n", report.Records, report.Root)
	if report.Records > 0 {
		fmt.Fprintf(stdout, "from %s to %s, %d of them under a signed checkpoint\n", report.First.Format(time.RFC3339), report.Last.Format(time.RFC3339), report.Signed)
	}
	for _, open := range report.OpenIntents {
		fmt.Fprintf(stdout, "record %d, %s at %s: was about to be done, and no record says whether it was\n", open.Record, open.Type, open.Time.Format(time.RFC3339))
	}
	return 0
}

func verify(log, key string, kept []string) (*audit.Report, error) {
	switch {
	case log == "":
		return nil, errors.New("-log is missing: which file?")
	case key == "":
		return nil, errors.New("-key is missing: the provider prints it when it starts; keep it where the log is not")
	}
	verifier, err := note.NewVerifier(key)
	if err != nil {
		return nil, fmt.Errorf("-key: %v: it looks like NAME+HASH+KEY; quote it", err)
	}
	var o audit.VerifyOptions
	for _, file := range kept {
		b, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("-checkpoint: %v", err)
		}
		o.Checkpoints = append(o.Checkpoints, b)
	}
	return audit.VerifyFile(log, verifier, o)
}
