package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"time"

	"github.com/lakekey/lakekey/examples/internal/cli"
)

func serve(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var s settings
	fs := flag.NewFlagSet("keyagent", flag.ContinueOnError)
	s.register(fs)
	if err := cli.Parse(fs, usage, args, stderr); err != nil {
		return err
	}
	if fs.NArg() > 0 {
		return cli.Usagef("%q: the commands are enroll, exec and logout", fs.Arg(0))
	}
	if err := s.check(); err != nil {
		return err
	}
	a, err := start(ctx, s, stderr)
	if err != nil {
		return err
	}
	defer a.stop(ctx)
	for i := range a.sources {
		if i > 0 {
			fmt.Fprintln(stdout, "# for a tool that is to use another host, these instead:")
		}
		for _, v := range a.environment(i) {
			line := "export " + v[0] + "=" + v[1]
			if i > 0 {
				line = "# " + line
			}
			fmt.Fprintln(stdout, line)
		}
	}
	fmt.Fprintf(stderr, "keyagent: signed in as %s until %s; serving %s. Ctrl-C ends the %s.\n",
		a.session.Subject(), a.session.Expires().Local().Format("15:04 (2 Jan)"), s.hosts.String(), map[bool]string{false: "session", true: "program"}[a.kept])

	end := time.NewTimer(time.Until(a.session.Expires()))
	defer end.Stop()
	for {
		select {
		case <-ctx.Done():
			if a.kept {
				fmt.Fprintln(stderr, "keyagent: the session stays, for others; keyagent logout ends it")
			} else {
				fmt.Fprintln(stderr, "keyagent: the session is closed")
			}
			return nil
		case err := <-a.failed:
			return fmt.Errorf("serving the metadata service: %w", err)
		case <-end.C:
			// Tools that ask from now on are told what to run, which helps
			// more than a port where nobody answers.
			fmt.Fprintf(stderr, "keyagent: the session has ended. To sign in again, stop this and run:\n  %s\n", s.command())
		}
	}
}
