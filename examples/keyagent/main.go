package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/lakekey/lakekey/examples/internal/cli"
	"github.com/lakekey/lakekey/examples/internal/enroll"
	"github.com/lakekey/lakekey/examples/internal/keys"
)

const usage = `keyagent signs in once with a security key and then gives Databricks tools on this
machine short-lived tokens.

Usage:
  keyagent -issuer URL -host URL [-host URL ...] -key KEY [flags]
        sign in, print export lines, serve until interrupted; if one serves the
        same already, print its lines and ask for no touch
  keyagent exec -issuer URL -host URL -key KEY [flags] -- COMMAND [ARG ...]
        sign in, run COMMAND with those variables, end with it
  keyagent exec [-host URL] -- COMMAND [ARG ...]
        run COMMAND with the variables of the agent that runs
  keyagent env|status|touch|lock|stop [-host URL] [-issuer URL]
        of the agents that run: print the variables, tell how they are, sign in
        again, end the session, end the agent
  keyagent doctor -issuer URL -host URL -key KEY
        find out what is missing, and how to mend it
  keyagent completion bash|zsh|fish
        print the completion of a shell
  keyagent cli-helper auth token --host URL
        answer as the Databricks CLI does, for tools with DATABRICKS_CLI_PATH
        only: point it at a link to this program named keyagent-cli-helper
  keyagent logout -issuer URL -host URL -key KEY -keep DIR [flags]
        end the session that -keep keeps, here and at the provider
  keyagent enroll -invite LINK -key KEY
        register a key through a link that the provider's admin sent

Flags:
`

func main() { os.Exit(cli.Run(run)) }

// command is what a word on the command line does.
type command struct {
	name string
	run  func(ctx context.Context, args []string, stdout, stderr io.Writer) error
}

// commands are all but the one without a word, which serves.
func commands() []command {
	return []command{
		{"enroll", register}, {"exec", execute}, {"logout", logout},
		{"env", env}, {"status", status}, {"touch", touch}, {"lock", lock}, {"stop", stop},
		{"doctor", doctor}, {"completion", completion}, {"cli-helper", helper},
	}
}

func commandList() string {
	var names []string
	for _, c := range commands() {
		names = append(names, c.name)
	}
	return strings.Join(names, ", ")
}

// run is main with its surroundings passed in; it returns the exit status.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	if name := filepath.Base(os.Args[0]); strings.TrimSuffix(name, ".exe") == helperName {
		args = append([]string{"cli-helper"}, args...)
	}
	does := serve
	if len(args) > 0 {
		for _, c := range commands() {
			if c.name == args[0] {
				does, args = c.run, args[1:]
				break
			}
		}
	}
	err := does(ctx, args, stdout, stderr)
	if exit, ended := errors.AsType[*exec.ExitError](err); ended && exit.ExitCode() >= 0 {
		return exit.ExitCode() // the command's own failure: it has said why
	}
	return cli.Status(ctx, "keyagent", err, stderr)
}

func register(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	fs := flag.NewFlagSet("keyagent enroll", flag.ContinueOnError)
	link := fs.String("invite", "", "the enrolment `LINK`, in quotes; - reads it from standard input, so that it is not in the list of processes")
	var spec keys.Spec
	spec.Register(fs, "")
	if err := cli.Parse(fs, usage, args, stderr); err != nil {
		return err
	}
	switch {
	case fs.NArg() > 0:
		return cli.Usagef("%q: no arguments are taken beside flags", fs.Arg(0))
	case *link == "":
		return cli.Usagef("-invite is missing: the provider's admin makes a link with idp invite")
	}
	if *link == "-" {
		var err error
		if *link, err = line(os.Stdin); err != nil {
			return err
		}
	}
	if _, _, err := enroll.Parse(*link); err != nil {
		return cli.Usagef("%v", err)
	}
	key, err := spec.Open(ctx)
	if err != nil {
		return err
	}
	defer key.Close()
	done, err := enroll.Register(ctx, *link, key)
	if err != nil {
		return fmt.Errorf("registering the key: %w", err)
	}
	fmt.Fprintf(stdout, "%s\n", done.CredentialID)
	fmt.Fprintf(stderr, "keyagent: this key now signs in %s (model %s, attestation: %s)\n", done.User, done.AAGUID, done.Attestation)
	return nil
}

// line reads the first line of r.
func line(r io.Reader) (string, error) {
	s := bufio.NewScanner(io.LimitReader(r, 4096))
	if !s.Scan() {
		return "", errors.New("-invite -: nothing came in on standard input")
	}
	return strings.TrimSpace(s.Text()), nil
}
