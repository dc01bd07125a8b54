package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/lakekey/lakekey/databricks/databrickstest"
	"github.com/lakekey/lakekey/examples/internal/cli"
	"github.com/lakekey/lakekey/internal/secret"
)

func main() {
	os.Exit(cli.Run(func(ctx context.Context, args []string, stdout, stderr io.Writer) int {
		return run(ctx, args, os.Getenv, stdout, stderr)
	}))
}

// tokenVariable holds the admin token out of argv, which every user of the
// machine can read.
const tokenVariable = "LAKEKEY_WORKSPACE_ADMIN_TOKEN"

const usage = `Serve a strict stand-in for a Databricks account and workspace on this machine.

Usage:
  export ` + tokenVariable + `=$(openssl rand -hex 16)
  workspace [flags]

Prints its URL on stdout and what to do with it on stderr, then serves until
Ctrl-C. Everything is in memory: it starts empty and leaves nothing behind.

Flags:
`

// config is the command line.
type config struct {
	listen            string
	anyAddress        bool
	accountID         string
	adminToken        secret.Value
	requireAssignment bool
}

// run is the program; it returns the exit status.
func run(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) int {
	cfg, err := parse(args, getenv, stderr)
	if err == nil {
		err = serve(ctx, cfg, stdout, stderr)
	}
	return cli.Status(ctx, "workspace", err, stderr)
}

func parse(args []string, getenv func(string) string, stderr io.Writer) (config, error) {
	var cfg config
	flags := flag.NewFlagSet("workspace", flag.ContinueOnError)
	flags.StringVar(&cfg.listen, "listen", "127.0.0.1:8090", "`HOST:PORT` to listen on; port 0 picks a free one")
	flags.StringVar(&cfg.accountID, "account-id", "", "`ID` of the account, a UUID (default: a random one)")
	token := flags.String("admin-token", "", "bearer `TOKEN` of the account admin, 16 characters or more; better in the\nenvironment as "+tokenVariable+", where other users cannot read it")
	flags.BoolVar(&cfg.requireAssignment, "require-assignment", false, "refuse principals that have no permission assignment in the workspace")
	flags.BoolVar(&cfg.anyAddress, "insecure-any-address", false, "allow addresses that other machines can reach; tokens then travel unencrypted")
	if err := cli.Parse(flags, usage, args, stderr); err != nil {
		return config{}, err
	}
	if flags.NArg() > 0 {
		return config{}, cli.Usagef("unexpected argument %q", flags.Arg(0))
	}
	cfg.adminToken = secret.New(*token)
	if cfg.adminToken.IsZero() {
		cfg.adminToken = secret.New(getenv(tokenVariable))
	}
	if cfg.adminToken.IsZero() {
		return config{}, cli.Usagef("no admin token: export %s=$(openssl rand -hex 16), then start again", tokenVariable)
	}
	host, _, err := net.SplitHostPort(cfg.listen)
	if err != nil {
		return config{}, cli.Usagef("-listen %q: give HOST:PORT, such as 127.0.0.1:8090", cfg.listen)
	}
	if !loopback(host) && !cfg.anyAddress {
		return config{}, cli.Usagef("-listen %q: other machines could reach this; use 127.0.0.1:PORT, or -insecure-any-address if that is meant", cfg.listen)
	}
	return cfg, nil
}

func loopback(host string) bool {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true // RFC 6761 section 6.3
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

func serve(ctx context.Context, cfg config, stdout, stderr io.Writer) error {
	workspace, err := databrickstest.New(databrickstest.Options{
		AccountID: cfg.accountID, AdminToken: cfg.adminToken, RequireAssignment: cfg.requireAssignment,
	})
	if err != nil {
		return fmt.Errorf("setting up: %w", err)
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", cfg.listen)
	if err != nil {
		return fmt.Errorf("-listen %s: %w; choose another address, 127.0.0.1:0 takes any free port", cfg.listen, err)
	}
	_, port, _ := net.SplitHostPort(listener.Addr().String()) // the address of a TCP listener has a port
	url := "http://localhost:" + port
	server := &http.Server{
		Handler:           workspace,
		ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second, IdleTimeout: time.Minute,
	}
	if !cfg.anyAddress {
		server.Handler = onlyLocalNames(workspace)
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	fmt.Fprintln(stdout, url)
	fmt.Fprintf(stderr, instructions, url, workspace.AccountID())
	select {
	case err := <-failed:
		return fmt.Errorf("serving on %s: %w", url, err)
	case <-ctx.Done():
	}
	// Requests under way may finish, but Ctrl-C must not seem to hang.
	last, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	if server.Shutdown(last) != nil {
		_ = server.Close() // nothing is left to save
	}
	return nil
}

// onlyLocalNames refuses requests whose Host is not this machine's: a web page
// elsewhere could otherwise have its own name resolved to 127.0.0.1 and talk to
// us as to itself.
func onlyLocalNames(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.Host)
		if err != nil {
			host = strings.Trim(r.Host, "[]")
		}
		if !loopback(host) {
			http.Error(w, "this workspace is reached as localhost only", http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}

const instructions = `
A strict Databricks account and workspace for tests is at %[1]s
(account id %[2]s). It is empty: nobody can sign in yet.

Create a user, and trust an identity provider (here one at http://localhost:8080):

  admin() { printf 'Authorization: Bearer %%s\n' "$` + tokenVariable + `" | curl -sS -H @- -H 'Content-Type: application/json' "$@"; echo; }

  admin %[1]s/api/2.0/accounts/%[2]s/scim/v2/Users \
    -d '{"userName":"ada@example.com"}'

  admin %[1]s/api/2.0/accounts/%[2]s/federationPolicies \
    -d '{"oidc_policy":{"issuer":"http://localhost:8080"}}'

Then exchange that provider's token for aud %[2]s, sub ada@example.com, at
%[1]s/oidc/v1/token. Ctrl-C ends it.
`
