package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/lakekey/lakekey/examples/internal/cli"
	"github.com/lakekey/lakekey/internal/origin"
)

// choice picks a running agent.
type choice struct {
	host, issuer string
}

func (c *choice) register(fs *flag.FlagSet) {
	fs.StringVar(&c.host, "host", "", "the agent that serves the host at `URL` (default: the only one that runs)")
	fs.StringVar(&c.issuer, "issuer", "", "the agent that signs in at `URL` (default: the only one that runs)")
}

func (c *choice) parse(name string, args []string, stderr io.Writer, more ...func(*flag.FlagSet)) error {
	fs := flag.NewFlagSet("keyagent "+name, flag.ContinueOnError)
	c.register(fs)
	for _, m := range more {
		m(fs)
	}
	if err := cli.Parse(fs, usage, args, stderr); err != nil {
		return err
	}
	if fs.NArg() > 0 {
		return cli.Usagef("%q: no arguments are taken beside flags", fs.Arg(0))
	}
	if c.host == "" {
		return nil
	}
	host, err := origin.Parse(c.host)
	if err != nil {
		return cli.Usagef("-host %s: %v", c.host, err)
	}
	c.host = host
	return nil
}

var errNone = errors.New("no keyagent runs that serves this; start one: keyagent -issuer URL -host URL -key KEY")

// running are the agents that fit.
func (c *choice) running(ctx context.Context) ([]*peer, error) {
	place, err := newRendezvous()
	if err != nil {
		return nil, err
	}
	all, err := place.agents(ctx)
	if err != nil {
		return nil, err
	}
	var fit []*peer
	for _, p := range all {
		if (c.issuer == "" || p.Issuer == c.issuer) && (c.host == "" || p.serves(c.host)) {
			fit = append(fit, p)
		}
	}
	return fit, nil
}

// one is the agent that fits, if there is just one.
func (c *choice) one(ctx context.Context) (*peer, error) {
	fit, err := c.running(ctx)
	switch {
	case err != nil:
		return nil, err
	case len(fit) == 0:
		return nil, errNone
	case len(fit) == 1:
		return fit[0], nil
	}
	var lines []string
	for _, p := range fit {
		lines = append(lines, "  "+p.describe())
	}
	return nil, fmt.Errorf("several agents run; say which by -host or -issuer:\n%s", strings.Join(lines, "\n"))
}

func (p *peer) serves(host string) bool {
	for _, h := range p.Hosts {
		if h.Host == host {
			return true
		}
	}
	return false
}

// describe is the agent in a line.
func (p *peer) describe() string {
	var hosts []string
	for _, h := range p.Hosts {
		hosts = append(hosts, h.Host)
	}
	who := "nobody is signed in"
	switch {
	case !p.Locked:
		who = fmt.Sprintf("%s is signed in until %s", p.Subject, p.Expires.Local().Format("15:04 (2 Jan)"))
	case p.Subject != "":
		who = p.Subject + "'s session has ended"
	}
	return fmt.Sprintf("the agent with process id %d serves %s; %s", p.PID, strings.Join(hosts, " "), who)
}

func (p *peer) environ(ctx context.Context) ([]environ, error) {
	var all []environ
	err := p.call(ctx, http.MethodGet, "/env", &all)
	return all, err
}

// export prints the variables of the hosts for a shell; those of the first count.
func export(w io.Writer, all []environ) {
	for i, e := range all {
		if i > 0 {
			fmt.Fprintln(w, "# for a tool that is to use another host, these instead:")
		}
		for _, v := range e.Vars {
			line := "export " + v[0] + "=" + v[1]
			if i > 0 {
				line = "# " + line
			}
			fmt.Fprintln(w, line)
		}
	}
}

// env prints the variables of a running agent.
func env(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var c choice
	if err := c.parse("env", args, stderr); err != nil {
		return err
	}
	p, err := c.one(ctx)
	if err != nil {
		return err
	}
	all, err := p.environ(ctx)
	if err != nil {
		return err
	}
	if c.host != "" { // that host's first, and alone
		for _, e := range all {
			if e.Host == c.host {
				all = []environ{e}
				break
			}
		}
	}
	export(stdout, all)
	return nil
}

// status tells what runs.
func status(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var c choice
	asJSON := false
	if err := c.parse("status", args, stderr, func(fs *flag.FlagSet) { fs.BoolVar(&asJSON, "json", false, "print a JSON array") }); err != nil {
		return err
	}
	fit, err := c.running(ctx)
	if err != nil {
		return err
	}
	if asJSON {
		all := []Status{}
		for _, p := range fit {
			all = append(all, p.Status)
		}
		return json.NewEncoder(stdout).Encode(all)
	}
	if len(fit) == 0 {
		return errNone
	}
	for _, p := range fit {
		fmt.Fprintln(stdout, p.describe())
		for _, h := range p.Hosts {
			switch {
			case h.Error != "":
				fmt.Fprintf(stdout, "  %s: %s\n", h.Host, h.Error)
			case h.Expires != nil:
				fmt.Fprintf(stdout, "  %s: a token until %s\n", h.Host, h.Expires.Local().Format("15:04:05"))
			}
		}
	}
	return nil
}

// touch has a running agent sign in again.
func touch(ctx context.Context, args []string, _, stderr io.Writer) error {
	var c choice
	if err := c.parse("touch", args, stderr); err != nil {
		return err
	}
	p, err := c.one(ctx)
	if err != nil {
		return err
	}
	if err := p.touch(ctx, stderr); err != nil {
		return err
	}
	if err := p.call(ctx, http.MethodGet, "/status", &p.Status); err != nil {
		return err
	}
	fmt.Fprintf(stderr, "keyagent: %s\n", p.describe())
	return nil
}

// lock ends the sessions of all agents that fit: in a hurry, nobody wants to
// choose.
func lock(ctx context.Context, args []string, _, stderr io.Writer) error {
	return each(ctx, "lock", "locked", args, stderr)
}

// stop ends the agents that fit.
func stop(ctx context.Context, args []string, _, stderr io.Writer) error {
	return each(ctx, "stop", "stopped", args, stderr)
}

func each(ctx context.Context, name, done string, args []string, stderr io.Writer) error {
	var c choice
	if err := c.parse(name, args, stderr); err != nil {
		return err
	}
	fit, err := c.running(ctx)
	if err != nil {
		return err
	}
	if len(fit) == 0 {
		return errNone
	}
	for _, p := range fit {
		if err := p.call(ctx, http.MethodPost, "/"+name, new(json.RawMessage)); err != nil {
			return fmt.Errorf("process id %d: %w", p.PID, err)
		}
		fmt.Fprintf(stderr, "keyagent: %s: process id %d, %s\n", done, p.PID, p.Subject)
	}
	return nil
}
