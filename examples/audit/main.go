package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"github.com/lakekey/lakekey/examples/internal/cli"
	"github.com/lakekey/lakekey/fido/audit"
)

const usage = `audit reads the audit log of a provider as an auditor does.

usage:
  audit verify   -log LOG -key KEY [-checkpoint FILE ...]
        is the log what was written?
  audit prove    -log LOG -key KEY -record N [-checkpoint FILE] [-out FILE]
        a proof that record N is in the log, for somebody who must not see the rest
  audit prove    -check FILE -key KEY
        is that so?
  audit complete -log LOG -key KEY -from FILE [-to FILE] [-out FILE]
        is everything there that was recorded between two checkpoints?
  audit complete -check FILE -key KEY -from FILE
        the same from a proof, without the log
  audit export   -log LOG -key KEY -format ocsf|csv|jsonl [-since T] [-until T] [-type T ...] [-user NAME] [-out FILE]
        the records, for a SIEM or a spreadsheet
  audit report   -log LOG -key KEY [-since T] [-as-of T] [-out DIR]
        the access review: who held which key, approvals, revocations, unused keys

LOG is a file (the checkpoint beside it, in LOG.checkpoint, is used too) or a database: sqlite:FILE or postgres://….
T is a day, like 2026-03-31, which -until and -as-of include, or a time, like 2026-03-31T12:00:00Z, which they do not.
audit COMMAND -h lists the flags of a command.

exits with 0 if the log is what was written, 1 if it is not, 2 if that could not be found out.
`

func main() { os.Exit(cli.Run(run)) }

// command is one of the words behind audit.
type command struct {
	flags func(*flag.FlagSet, *options)
	run   func(context.Context, *options, io.Writer) error
}

var commands = map[string]command{
	"verify":   {verifyFlags, verify},
	"prove":    {proveFlags, prove},
	"complete": {completeFlags, complete},
	"export":   {exportFlags, exportRecords},
	"report":   {reportFlags, report},
}

// run is main with its surroundings passed in; it returns the exit status.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	if len(args) == 0 || args[0] == "-h" || args[0] == "-help" || args[0] == "--help" || args[0] == "help" {
		fmt.Fprint(stderr, usage)
		if len(args) == 0 {
			return 2
		}
		return 0
	}
	name := "verify"
	if !strings.HasPrefix(args[0], "-") {
		name, args = args[0], args[1:]
	}
	c, ok := commands[name]
	if !ok {
		return cli.Status(ctx, "audit", cli.Usagef("%q is no command: it must be verify, prove, complete, export or report", name), stderr)
	}
	o := &options{}
	fs := flag.NewFlagSet("audit "+name, flag.ContinueOnError)
	o.flags(fs)
	c.flags(fs, o)
	err := cli.Parse(fs, "Flags of audit "+name+":\n", args, stderr)
	if err == nil && fs.NArg() > 0 {
		err = cli.Usagef("%q is left over: each flag takes one value; quote what has spaces", fs.Arg(0))
	}
	if err != nil {
		return cli.Status(ctx, "audit", err, stderr)
	}
	if err := o.complete(); err != nil {
		fmt.Fprintln(stderr, "audit:", err)
		return 2
	}
	return status(c.run(ctx, o, stdout), stdout, stderr)
}

// refuted says that a proof does not hold.
type refuted struct{ error }

// status says what err means, and returns it as an exit status.
func status(err error, stdout, stderr io.Writer) int {
	tampered, found := errors.AsType[*audit.TamperError](err)
	_, wrong := errors.AsType[refuted](err)
	switch {
	case err == nil:
		return 0
	case found && tampered.Record > 0:
		fmt.Fprintf(stdout, "NOT what was written: record %d is the first concerned (%s)\n%v\n", tampered.Record, tampered.Kind, err)
		return 1
	case found:
		fmt.Fprintf(stdout, "NOT what was written (%s)\n%v\n", tampered.Kind, err)
		return 1
	case wrong:
		fmt.Fprintf(stdout, "NOT proven: %v\n", err)
		return 1
	default:
		fmt.Fprintln(stderr, "audit:", err)
		return 2
	}
}

// options are the flags of all commands.
type options struct {
	log, key    string
	checkpoints cli.List
	out         string

	record   uint64 // prove
	check    string // prove, complete
	from, to string // complete

	format      string // export
	types       cli.List
	user        string
	since, asOf string // export, report

	verifier note.Verifier
}

func (o *options) flags(fs *flag.FlagSet) {
	fs.StringVar(&o.log, "log", "", "`LOG`: a file, sqlite:FILE, or postgres://…")
	fs.StringVar(&o.key, "key", "", "verifier `KEY` of the log, which the provider prints when it starts; quote it")
	fs.Var(&o.checkpoints, "checkpoint", "`FILE` with a checkpoint that was kept elsewhere; may be repeated")
}

// complete checks what every command needs.
func (o *options) complete() (err error) {
	switch {
	case o.key == "":
		return errors.New("-key is missing: the provider prints it when it starts; keep it where the log is not")
	case o.log == "" && o.check == "":
		return errors.New("-log is missing: which file, sqlite:FILE or postgres://…?")
	}
	if o.verifier, err = note.NewVerifier(o.key); err != nil {
		return fmt.Errorf("-key: %v: it looks like NAME+HASH+KEY; quote it", err)
	}
	return nil
}

// kept reads the checkpoints that were given.
func (o *options) kept() (all [][]byte, err error) {
	for _, file := range o.checkpoints {
		b, err := readSmall("-checkpoint", file)
		if err != nil {
			return nil, err
		}
		all = append(all, b)
	}
	return all, nil
}

const maxSmall = 1 << 20 // bytes; a checkpoint or a proof has a few thousand

// readSmall reads a file that a flag names.
func readSmall(name, file string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %v", name, err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxSmall+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %v", name, err)
	}
	if len(b) > maxSmall {
		return nil, fmt.Errorf("%s: %s is larger than a checkpoint or a proof can be", name, file)
	}
	return b, nil
}
