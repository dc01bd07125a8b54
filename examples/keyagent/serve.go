package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"time"

	"github.com/lakekey/lakekey/examples/internal/cli"
	"github.com/lakekey/lakekey/oidc"
)

// lookEvery is how often the wall clock is looked at: timers stand still while
// the machine sleeps, and the session does not.
const lookEvery = 5 * time.Second

func serve(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var s settings
	fs := flag.NewFlagSet("keyagent", flag.ContinueOnError)
	s.register(fs)
	locked := fs.Bool("locked", false, "do not sign in now: wait for keyagent touch, and show a prompt when a tool asks before")
	if err := cli.Parse(fs, usage, args, stderr); err != nil {
		return err
	}
	if fs.NArg() > 0 {
		return cli.Usagef("%q: the commands are %s", fs.Arg(0), commandList())
	}
	if err := s.check(); err != nil {
		return err
	}
	found, release, place, err := s.meet(ctx, stderr)
	if err != nil {
		return err
	}
	if found != nil {
		return s.follow(ctx, found, stdout, stderr)
	}
	defer release()
	a, err := newAgent(ctx, s, stderr)
	if err != nil {
		return err
	}
	defer a.stop(ctx)
	if !*locked {
		if err := a.signIn(ctx, stderr); err != nil {
			return err
		}
	}
	if place != nil {
		ln, err := place.listen(ctx, s.name())
		if err != nil {
			return err
		}
		a.serveControl(context.WithoutCancel(ctx), ln)
	}
	release() // who waited for the touch finds the agent now
	var all []environ
	for i, slot := range a.slots {
		all = append(all, environ{Host: slot.host, Vars: a.environment(i)})
	}
	export(stdout, all)
	if s.oidcFile != "" {
		fmt.Fprintf(stdout, "# for a tool that knows file-oidc only:\n# export DATABRICKS_AUTH_TYPE=file-oidc\n# export DATABRICKS_OIDC_TOKEN_FILEPATH=%s\n", s.oidcFile)
	}
	if *locked {
		fmt.Fprintf(stderr, "keyagent: serving %s; nobody is signed in: keyagent touch. Ctrl-C ends the program.\n", s.hosts.String())
	} else {
		a.announce()
	}
	return a.wait(ctx)
}

// meet finds the agent that serves the same already. Where agents cannot be
// found, this one does without.
func (s *settings) meet(ctx context.Context, stderr io.Writer) (*peer, func(), *rendezvous, error) {
	place, err := newRendezvous()
	if err != nil {
		fmt.Fprintf(stderr, "keyagent: other commands will not find this agent: %v\n", err)
		return nil, func() {}, nil, nil
	}
	found, release, err := place.claim(ctx, s.name(), func() {
		fmt.Fprintln(stderr, "keyagent: another keyagent is signing in for the same; waiting for it")
	})
	if ctx.Err() != nil {
		return nil, nil, nil, ctx.Err()
	}
	if err != nil {
		fmt.Fprintf(stderr, "keyagent: other commands will not find this agent: %v\n", err)
		return nil, func() {}, nil, nil
	}
	return found, release, &place, nil
}

// follow stands in for the agent that runs already, until that ends.
func (s *settings) follow(ctx context.Context, found *peer, stdout, stderr io.Writer) error {
	all, err := found.environ(ctx)
	if err != nil {
		return err
	}
	export(stdout, all)
	fmt.Fprintf(stderr, "keyagent: %s. Ctrl-C leaves it running; keyagent stop ends it.\n", found.describe())
	for {
		select {
		case <-ctx.Done():
			fmt.Fprintln(stderr, "keyagent: the session stays, for others; keyagent stop ends it")
			return nil
		case <-time.After(lookEvery):
			var now Status
			if err := found.call(ctx, "GET", "/status", &now); err != nil && ctx.Err() == nil {
				fmt.Fprintln(stderr, "keyagent: the agent that served this has ended")
				return nil
			}
		}
	}
}

func (a *agent) announce() {
	session := a.signedIn()
	fmt.Fprintf(a.stderr, "keyagent: signed in as %s until %s; serving %s. Ctrl-C ends the %s.\n",
		session.Subject(), session.Expires().Local().Format("15:04 (2 Jan)"), a.settings.hosts.String(), map[bool]string{false: "session", true: "program"}[a.settings.keep != ""])
}

// wait serves until somebody ends it.
func (a *agent) wait(ctx context.Context) error {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	var said *oidc.Session // whose end was told
	for {
		select {
		case <-ctx.Done():
			if a.settings.keep != "" {
				fmt.Fprintln(a.stderr, "keyagent: the session stays, for others; keyagent logout ends it")
			} else {
				fmt.Fprintln(a.stderr, "keyagent: the session is closed")
			}
			return nil
		case <-a.stopped:
			fmt.Fprintln(a.stderr, "keyagent: stopped")
			return nil
		case err := <-a.failed:
			return fmt.Errorf("serving the metadata service: %w", err)
		case <-ticker.C:
			session := a.signedIn()
			if session == nil || time.Now().Round(0).Before(session.Expires()) {
				said = nil
				continue
			}
			if said == session {
				continue
			}
			said = session
			// Tools that ask from now on are told what to run, which helps
			// more than a port where nobody answers.
			fmt.Fprintln(a.stderr, "keyagent: the session has ended. To sign in again, run:\n  keyagent touch")
		}
	}
}
