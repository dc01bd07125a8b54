package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/lakekey/lakekey/databricks"
	"github.com/lakekey/lakekey/databricks/metadata"
	"github.com/lakekey/lakekey/examples/internal/cli"
	"github.com/lakekey/lakekey/examples/internal/keys"
	"github.com/lakekey/lakekey/internal/origin"
	"github.com/lakekey/lakekey/oidc"
)

// defaultClient is the public client that examples/idp serves.
const defaultClient = "lakekey"

// defaultScopes let a person look around and change nothing.
const defaultScopes = "clusters:read jobs:read model-serving:read"

// settings are the flags of an agent.
type settings struct {
	issuer, audience, scopes, listen, client string
	redirect, keep, keepKey                  string
	hosts                                    cli.List
	key                                      keys.Spec
}

func (s *settings) register(fs *flag.FlagSet) {
	fs.StringVar(&s.issuer, "issuer", "", "`URL` of the identity provider, such as http://localhost:8080")
	fs.Var(&s.hosts, "host", "`URL` of a Databricks workspace, such as https://dbc-….cloud.databricks.com; may be repeated: one touch serves them all")
	fs.StringVar(&s.audience, "audience", "", "the audience `AUD` of the federation policy; required where the host is neither under a Databricks domain nor on\nthis machine (default: the account id, which the host tells)")
	fs.StringVar(&s.scopes, "scopes", defaultScopes, "the `SCOPES` that the tokens may be used for, with spaces in between; ask for little")
	fs.StringVar(&s.listen, "listen", "127.0.0.1:0", "`ADDR` to serve the metadata service on, on this machine; port 0 chooses a free one")
	s.key.Ways = []string{byBrowser, byDevice}
	s.key.Register(fs, ",\nbrowser (sign in on the provider's page) or device (sign in on another machine, where you enter a code)")
	fs.StringVar(&s.redirect, "redirect", "", "with -key browser, the `URL` on this machine that the provider knows this program by; without a port for\nany that is free (default http://127.0.0.1/callback)")
	fs.StringVar(&s.keep, "keep", "", "keep the session in the directory `DIR`, sealed with a key in the keyring of this machine: every keyagent\nof yours that asks for the same shares it, and keyagent logout ends it (default: it ends with the program)")
	fs.StringVar(&s.keepKey, "keep-key", "", "with -keep, the `FILE` with the key, instead of the keyring; it is made if it is not there")
	fs.StringVar(&s.client, "client", defaultClient, "the client `ID` that the provider knows this program by")
}

func (s *settings) check() error {
	switch {
	case s.issuer == "":
		return cli.Usagef("-issuer is missing: where do you sign in? For instance -issuer http://localhost:8080")
	case len(s.hosts) == 0:
		return cli.Usagef("-host is missing: which workspace are the tokens for?")
	case len(strings.Fields(s.scopes)) == 0:
		return cli.Usagef("-scopes is empty: say what the tokens may be used for")
	}
	for _, host := range s.hosts {
		if _, err := origin.Parse(host); err != nil {
			return cli.Usagef("-host %s: %v", host, err)
		}
	}
	switch {
	case s.redirect != "" && s.key.Key != byBrowser:
		return cli.Usagef("-redirect %s: goes with -key browser only", s.redirect)
	case s.keepKey != "" && s.keep == "":
		return cli.Usagef("-keep-key %s: goes with -keep only", s.keepKey)
	}
	return s.key.Check()
}

// command is what a person types to sign in again.
func (s *settings) command() string {
	words := []string{"keyagent", "-issuer", s.issuer}
	for _, h := range s.hosts {
		words = append(words, "-host", h)
	}
	if s.audience != "" {
		words = append(words, "-audience", s.audience)
	}
	if s.scopes != defaultScopes {
		words = append(words, "-scopes", fmt.Sprintf("%q", s.scopes))
	}
	for _, f := range [][2]string{{"-redirect", s.redirect}, {"-keep", s.keep}, {"-keep-key", s.keepKey}} {
		if f[1] != "" {
			words = append(words, f[0], f[1])
		}
	}
	return strings.Join(append(words, s.key.Words()...), " ")
}

// agent is a session that serves tokens on loopback.
type agent struct {
	session  *oidc.Session
	kept     bool // others go on with it
	sources  []*databricks.TokenSource
	urls     []string // of the metadata service, one for each source: whoever has it gets tokens
	listener net.Listener
	server   *http.Server
	failed   chan error
}

// start signs in, with one touch, and begins to serve. It mints a token for each
// host first, so that what a host would refuse shows now and to this person, not
// later in a notebook.
func start(ctx context.Context, s settings, stderr io.Writer) (_ *agent, err error) {
	a := &agent{failed: make(chan error, 1)}
	defer func() {
		if err != nil {
			a.stop(ctx)
		}
	}()
	// What can be wrong without a touch is found before one is asked for.
	ln, err := metadata.Listen(ctx, s.listen)
	if err != nil {
		return nil, fmt.Errorf("-listen %s: %w", s.listen, err)
	}
	a.listener = ln
	if a.session, err = s.signIn(ctx, stderr); err != nil {
		return nil, err
	}
	a.kept = s.keep != ""
	quiet := new(slog.LevelVar)
	quiet.Set(slog.LevelError) // until it serves, errors are returned and said once
	log := slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: quiet}))
	for _, host := range s.hosts {
		source, err := databricks.NewTokenSource(a.session, databricks.Config{Host: host, Scopes: strings.Fields(s.scopes), Audience: s.audience, Logger: log})
		if err != nil {
			return nil, fmt.Errorf("-host %s: %w", host, err)
		}
		a.sources = append(a.sources, source)
		if _, err := source.Token(ctx); err != nil {
			return nil, err
		}
	}
	quiet.Set(slog.LevelWarn)
	return a, a.serve(ctx, s, log)
}

// firstAudience is whom the ID token of the sign-in itself is for: the client,
// until a host says what it wants.
func (s *settings) firstAudience() string {
	if s.audience != "" {
		return s.audience
	}
	return s.client
}

func (a *agent) serve(ctx context.Context, s settings, log *slog.Logger) error {
	handler, err := metadata.NewServer(a.listener.Addr(), metadata.Options{Command: s.command(), Logger: log})
	if err != nil {
		return err
	}
	for _, source := range a.sources {
		address, err := handler.Add(source)
		if err != nil {
			return err
		}
		a.urls = append(a.urls, address.Reveal()) // printed for, and passed to, the programs that are to have it
	}
	a.server = &http.Server{
		Handler: handler, ConnContext: handler.ConnContext, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, MaxHeaderBytes: 16 << 10,
		BaseContext: func(net.Listener) context.Context { return context.WithoutCancel(ctx) },
		ErrorLog:    slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	go func() { a.failed <- a.server.Serve(a.listener) }()
	fresh, forget := context.WithCancel(context.WithoutCancel(ctx))
	a.server.RegisterOnShutdown(forget)
	go handler.KeepFresh(fresh)
	return nil
}

// environment returns the variables that point a tool at the i-th host.
func (a *agent) environment(i int) [][2]string {
	return [][2]string{
		{"DATABRICKS_HOST", a.sources[i].Host()},
		// Without it a tool whose token was refused tries another identity.
		{"DATABRICKS_AUTH_TYPE", "metadata-service"},
		{"DATABRICKS_METADATA_SERVICE_URL", a.urls[i]},
	}
}

// stop ends the session, unless it is kept, and forgets its tokens.
func (a *agent) stop(ctx context.Context) {
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	if a.server != nil {
		_ = a.server.Shutdown(grace) // what is still being answered after that is cut off
	}
	if a.listener != nil {
		_ = a.listener.Close() // closed already, if it was served
	}
	for _, source := range a.sources {
		source.Close()
	}
	if a.session != nil && !a.kept {
		_ = a.session.Close(grace) // the issuer's own end of the session comes anyway
	}
}
