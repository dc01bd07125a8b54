package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/lakekey/lakekey/examples/internal/cli"
	"github.com/lakekey/lakekey/internal/origin"
)

// execute runs a command with the variables of the first host, for as long as
// the command runs.
func execute(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var s settings
	fs := flag.NewFlagSet("keyagent exec", flag.ContinueOnError)
	s.register(fs)
	if err := cli.Parse(fs, usage, args, stderr); err != nil {
		return err
	}
	if fs.NArg() == 0 {
		return cli.Usagef("which command? Put it behind --, as in keyagent exec … -- jupyter lab")
	}
	if s.issuer == "" && s.key.Key == "" {
		return attach(ctx, s, fs.Args(), stdout, stderr)
	}
	if err := s.check(); err != nil {
		return err
	}
	if len(s.hosts) > 1 {
		return cli.Usagef("-host was given more than once, and a command has one environment: run keyagent exec once for each host")
	}
	// Found before anybody is asked to touch a key for it.
	if _, err := exec.LookPath(fs.Arg(0)); err != nil {
		return fmt.Errorf("%s: %v", fs.Arg(0), errors.Unwrap(err))
	}
	if place, err := newRendezvous(); err == nil {
		if found := place.dial(ctx, s.name()); found != nil && !found.Locked {
			if all, err := found.environ(ctx); err == nil {
				return runWith(ctx, fs.Args(), all[0].Vars, stdout, stderr)
			}
		}
	}
	a, err := newAgent(ctx, s, stderr)
	if err != nil {
		return err
	}
	defer a.stop(ctx)
	if err := a.signIn(ctx, stderr); err != nil {
		return err
	}
	return runWith(ctx, fs.Args(), a.environment(0), stdout, stderr)
}

// attach runs a command with the variables of the agent that runs.
func attach(ctx context.Context, s settings, words []string, stdout, stderr io.Writer) error {
	var c choice
	if len(s.hosts) > 1 {
		return cli.Usagef("-host was given more than once, and a command has one environment: run keyagent exec once for each host")
	}
	if len(s.hosts) == 1 {
		host, err := origin.Parse(s.hosts[0])
		if err != nil {
			return cli.Usagef("-host %s: %v", s.hosts[0], err)
		}
		c.host = host
	}
	p, err := c.one(ctx)
	if err != nil {
		return err
	}
	all, err := p.environ(ctx)
	if err != nil {
		return err
	}
	for _, e := range all {
		if c.host == "" || c.host == e.Host {
			return runWith(ctx, words, e.Vars, stdout, stderr)
		}
	}
	return errNone
}

// runWith runs a command with the variables, to its end.
func runWith(ctx context.Context, words []string, vars [][2]string, stdout, stderr io.Writer) error {
	// Ctrl-C is the command's: the terminal sends it there too, and many a tool
	// goes on after it. The session lives as long as the command. A request to
	// terminate is passed on, and then the command has a while.
	running, release := signal.NotifyContext(context.WithoutCancel(ctx), syscall.SIGTERM)
	defer release()
	ignored := make(chan os.Signal, 1)
	signal.Notify(ignored, os.Interrupt)
	defer signal.Stop(ignored)
	cmd := exec.CommandContext(running, words[0], words[1:]...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, stdout, stderr
	cmd.Env = append(withoutDatabricks(os.Environ()), pairs(vars)...)
	return cmd.Run()
}

// withoutDatabricks leaves out what would compete with the session: a tool that
// also finds a DATABRICKS_TOKEN refuses to choose, or chooses it.
func withoutDatabricks(environ []string) []string {
	var kept []string
	for _, v := range environ {
		if !strings.HasPrefix(v, "DATABRICKS_") {
			kept = append(kept, v)
		}
	}
	return kept
}

func pairs(vars [][2]string) []string {
	var env []string
	for _, v := range vars {
		env = append(env, v[0]+"="+v[1])
	}
	return env
}
