package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"

	"github.com/lakekey/lakekey/examples/internal/cli"
	"github.com/lakekey/lakekey/oidc"
)

// logout ends the session that is kept, for everybody who shares it.
func logout(ctx context.Context, args []string, _, stderr io.Writer) error {
	var s settings
	fs := flag.NewFlagSet("keyagent logout", flag.ContinueOnError)
	s.register(fs)
	if err := cli.Parse(fs, usage, args, stderr); err != nil {
		return err
	}
	if fs.NArg() > 0 {
		return cli.Usagef("%q: no arguments are taken beside flags", fs.Arg(0))
	}
	if err := s.check(); err != nil {
		return err
	}
	if s.keep == "" {
		return cli.Usagef("-keep is missing: where is the session kept? One that is not kept ends with its program")
	}
	r, err := s.request(ctx)
	if err != nil {
		return err
	}
	idp, err := oidc.Discover(ctx, s.issuer, oidc.Options{})
	if err != nil {
		return fmt.Errorf("-issuer %s: %w", s.issuer, err)
	}
	session, err := oidc.Resume(ctx, idp, r)
	if none, ok := errors.AsType[*oidc.LoginRequiredError](err); ok {
		fmt.Fprintf(stderr, "keyagent: nothing to end: %s\n", none.Reason)
		return nil
	}
	if err != nil {
		return err
	}
	if err := session.Close(ctx); err != nil {
		return fmt.Errorf("ending the session of %s: %w", session.Subject(), err)
	}
	fmt.Fprintf(stderr, "keyagent: the session of %s is closed\n", session.Subject())
	return nil
}
