package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/lakekey/lakekey/examples/internal/cli"
	"github.com/lakekey/lakekey/examples/internal/keys"
)

const usage = `quickstart takes one touch to a working Databricks session, all on this machine.

usage:
  quickstart [-json] [-key KEY] [-scopes "A B"]
  quickstart -issuer URL -invite LINK [-host URL] [-key KEY]     with running parts

`

// settings are the flags.
type settings struct {
	json                              bool
	key, issuer, invite, host, scopes string
}

func main() { os.Exit(cli.Run(run)) }

// run is main with its surroundings passed in; it returns the exit status.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var s settings
	fs := flag.NewFlagSet("quickstart", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.Usage = func() {
		fmt.Fprint(stderr, usage)
		fs.PrintDefaults()
	}
	fs.BoolVar(&s.json, "json", false, "print one JSON object instead of the account in words")
	fs.StringVar(&s.key, "key", "", keys.Usage+"\n(default: a software key that is gone afterwards)")
	fs.StringVar(&s.issuer, "issuer", "", "a running identity provider (default: one of its own); needs -invite")
	fs.StringVar(&s.invite, "invite", "", "an enrolment link of that provider, from idp invite")
	fs.StringVar(&s.host, "host", "", "a running workspace that trusts the provider (default: a strict stand-in of its own); needs -issuer")
	fs.StringVar(&s.scopes, "scopes", "clusters:read", "what the Databricks token may be used for")
	if err := fs.Parse(args); errors.Is(err, flag.ErrHelp) {
		return 0
	} else if err != nil {
		return 2
	}
	if err := s.check(fs.Args()); err != nil {
		fmt.Fprintln(stderr, "quickstart:", err)
		return 2
	}
	tell := account(stdout)
	if s.json {
		tell = account(io.Discard)
	}
	result, err := chain(ctx, s, tell)
	if ctx.Err() != nil {
		fmt.Fprintln(stderr, "quickstart: interrupted")
		return 130
	}
	if err != nil {
		fmt.Fprintln(stderr, "quickstart:", err)
		return 1
	}
	if s.json {
		if err := json.NewEncoder(stdout).Encode(result); err != nil {
			fmt.Fprintln(stderr, "quickstart:", err)
			return 1
		}
	}
	return 0
}

func (s *settings) check(rest []string) error {
	switch {
	case len(rest) > 0:
		return fmt.Errorf("%q: no arguments are taken beside flags; see quickstart -h", rest[0])
	case s.issuer != "" && s.invite == "":
		return errors.New("-issuer needs -invite: a running provider registers nobody without a link; its admin makes one with idp invite")
	case s.invite != "" && s.issuer == "":
		return errors.New("-invite needs -issuer: which provider is the link for?")
	case s.host != "" && s.issuer == "":
		return errors.New("-host needs -issuer: a running workspace cannot trust a provider that lives for a second")
	case len(strings.Fields(s.scopes)) == 0:
		return errors.New("-scopes is empty: say what the token may be used for")
	}
	return nil
}

// account returns a function that writes one step of the account in words, or,
// with an empty step, a line for itself.
func account(w io.Writer) func(step, format string, args ...any) {
	return func(step, format string, args ...any) {
		text := fmt.Sprintf(format, args...)
		if step == "" {
			fmt.Fprintln(w, text)
			return
		}
		fmt.Fprintf(w, "%-13s%s\n", step, strings.ReplaceAll(text, "\n", "\n"+strings.Repeat(" ", 13)))
	}
}
