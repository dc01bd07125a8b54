package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/lakekey/lakekey/examples/internal/cli"
	"github.com/lakekey/lakekey/examples/internal/keys"
)

const usage = `quickstart takes one touch to a working Databricks session, all on this machine.

Usage:
  quickstart [-json] [-key KEY] [-scopes "A B"]
  quickstart -issuer URL -invite LINK [-host URL] [-key KEY]     with running parts

Flags:
`

// settings are the flags.
type settings struct {
	json                         bool
	issuer, invite, host, scopes string
	key                          keys.Spec
}

func main() { os.Exit(cli.Run(run)) }

// run is main with its surroundings passed in; it returns the exit status.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var s settings
	fs := flag.NewFlagSet("quickstart", flag.ContinueOnError)
	fs.BoolVar(&s.json, "json", false, "print one JSON object instead of the account in words")
	s.key.Register(fs, "\n(default: a software key that is gone afterwards)")
	fs.StringVar(&s.issuer, "issuer", "", "`URL` of a running identity provider (default: one of its own); needs -invite")
	fs.StringVar(&s.invite, "invite", "", "an enrolment `LINK` of that provider, from idp invite")
	fs.StringVar(&s.host, "host", "", "`URL` of a running workspace that trusts the provider (default: a strict stand-in of its own); needs -issuer")
	fs.StringVar(&s.scopes, "scopes", "clusters:read", "the `SCOPES` that the Databricks token may be used for, with spaces in between")
	err := cli.Parse(fs, usage, args, stderr)
	if err == nil {
		err = s.check(fs.Args())
	}
	if err == nil {
		err = s.run(ctx, stdout)
	}
	return cli.Status(ctx, "quickstart", err, stderr)
}

func (s *settings) run(ctx context.Context, stdout io.Writer) error {
	tell := account(stdout)
	if s.json {
		tell = account(io.Discard)
	}
	result, err := chain(ctx, *s, tell)
	if err != nil || !s.json {
		return err
	}
	return json.NewEncoder(stdout).Encode(result)
}

func (s *settings) check(rest []string) error {
	switch {
	case len(rest) > 0:
		return cli.Usagef("%q: no arguments are taken beside flags", rest[0])
	case s.issuer != "" && s.invite == "":
		return cli.Usagef("-issuer needs -invite: a running provider registers nobody without a link; its admin makes one with idp invite")
	case s.invite != "" && s.issuer == "":
		return cli.Usagef("-invite needs -issuer: which provider is the link for?")
	case s.host != "" && s.issuer == "":
		return cli.Usagef("-host needs -issuer: a running workspace cannot trust a provider that lives for a second")
	case len(strings.Fields(s.scopes)) == 0:
		return cli.Usagef("-scopes is empty: say what the token may be used for")
	}
	if s.key.Key == "" && s.key.Device == "" {
		return nil // a key of its own
	}
	return s.key.Check()
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
