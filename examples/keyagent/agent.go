package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/lakekey/lakekey/databricks"
	"github.com/lakekey/lakekey/databricks/metadata"
	"github.com/lakekey/lakekey/oidc"
)

// agent serves the tokens of a person's sessions on loopback, one after the other.
type agent struct {
	settings settings
	log      *slog.Logger
	loud     *slog.LevelVar
	stderr   io.Writer

	slots    []*slot
	urls     []string // of the metadata service, one for each slot: whoever has it gets tokens
	listener net.Listener
	server   *http.Server
	controls *http.Server // nil: not to be found
	forget   context.CancelFunc
	failed   chan error
	stopped  chan struct{} // somebody said keyagent stop
	changed  chan struct{} // another session, or none
	touching chan struct{} // holds one while somebody signs in

	filing sync.Mutex // guards the file of -oidc-file, and
	filed  string     // the token that is in it

	mu      sync.Mutex
	session *oidc.Session // nil: nobody is signed in
	subject string        // who was the first, and stays the only one
}

// newAgent begins to serve. Nobody is signed in yet.
func newAgent(ctx context.Context, s settings, stderr io.Writer) (*agent, error) {
	a := &agent{
		settings: s, stderr: stderr, loud: new(slog.LevelVar),
		failed: make(chan error, 1), stopped: make(chan struct{}, 1), changed: make(chan struct{}, 1), touching: make(chan struct{}, 1),
	}
	a.log = slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: a.loud}))
	a.loud.Set(slog.LevelWarn)
	ln, err := metadata.Listen(ctx, s.listen)
	if err != nil {
		return nil, fmt.Errorf("-listen %s: %w", s.listen, err)
	}
	a.listener = ln
	handler, err := metadata.NewServer(ln.Addr(), metadata.Options{
		Command: s.command(), Logger: a.log, Prompt: notifier(stderr, s.command(), a.log), InsecureAnyUser: s.anyUser,
	})
	if err != nil {
		_ = ln.Close()
		return nil, err
	}
	for _, host := range s.hosts {
		place, err := a.place(host)
		if err == nil {
			err = a.add(handler, place)
		}
		if err != nil {
			_ = ln.Close()
			return nil, fmt.Errorf("-host %s: %w", host, err)
		}
	}
	living, forget := context.WithCancel(context.WithoutCancel(ctx))
	a.forget = forget
	a.server = &http.Server{
		Handler: handler, ConnContext: handler.ConnContext, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, MaxHeaderBytes: 16 << 10,
		BaseContext: func(net.Listener) context.Context { return living },
		ErrorLog:    slog.NewLogLogger(a.log.Handler(), slog.LevelWarn),
	}
	go func() { a.failed <- a.server.Serve(a.listener) }()
	go handler.KeepFresh(living)
	if s.oidcFile != "" {
		go a.keepFile(living)
	}
	return a, nil
}

// place is an empty slot for the host.
func (a *agent) place(host string) (*slot, error) {
	// What is wrong with a host shows before anybody is asked for a touch.
	source, err := databricks.NewTokenSource(nobody{}, a.access(host))
	if err != nil {
		return nil, err
	}
	source.Close()
	return &slot{host: source.Host(), command: a.settings.command()}, nil
}

func (a *agent) add(handler *metadata.Server, s *slot) error {
	address, err := handler.Add(s)
	if err != nil {
		return err
	}
	a.slots = append(a.slots, s)
	a.urls = append(a.urls, address.Reveal()) // printed for, and passed to, the programs that are to have it
	return nil
}

// access is what is asked of a host.
func (a *agent) access(host string) databricks.Config {
	return databricks.Config{
		Host: host, Scopes: strings.Fields(a.settings.scopes), Audience: a.settings.audience, Identity: a.settings.identity, Logger: a.log,
	}
}

// signIn has the person sign in, with one touch, or takes up a session that is
// kept. It mints a token for each host first, so that what a host would refuse
// shows now and to this person, not later in a notebook.
func (a *agent) signIn(ctx context.Context, say io.Writer) error {
	select {
	case a.touching <- struct{}{}:
		defer func() { <-a.touching }()
	case <-ctx.Done():
		return ctx.Err()
	}
	session, err := a.settings.signIn(ctx, say)
	if err != nil {
		return err
	}
	kept := a.settings.keep != ""
	a.loud.Set(slog.LevelError) // what goes wrong now is returned, and said once
	defer a.loud.Set(slog.LevelWarn)
	sources, err := a.sources(ctx, session)
	if err != nil {
		if !kept {
			end(ctx, session)
		}
		return err
	}
	a.mu.Lock()
	old := a.session
	a.session, a.subject = session, session.Subject()
	a.mu.Unlock()
	for i, source := range sources {
		a.slots[i].put(source)
	}
	if old != nil && !kept {
		end(ctx, old)
	}
	if a.settings.oidcFile != "" {
		// Before a command starts that reads it.
		if err := a.writeFile(ctx); err != nil {
			return err
		}
	}
	a.tell()
	return nil
}

// sources are those of the hosts for a new session.
func (a *agent) sources(ctx context.Context, session *oidc.Session) (_ []*databricks.TokenSource, err error) {
	var sources []*databricks.TokenSource
	defer func() {
		if err != nil {
			for _, source := range sources {
				source.Close()
			}
		}
	}()
	a.mu.Lock()
	first := a.subject
	a.mu.Unlock()
	if first != "" && session.Subject() != first {
		// Notebooks that began as one person must not go on as another.
		return nil, fmt.Errorf("this agent is %s's, and you signed in as %s: start another one", first, session.Subject())
	}
	for _, slot := range a.slots {
		source, err := databricks.NewTokenSource(session, a.access(slot.host))
		if err != nil {
			return nil, fmt.Errorf("-host %s: %w", slot.host, err)
		}
		sources = append(sources, source)
		if _, err := source.Token(ctx); err != nil {
			return nil, err
		}
	}
	return sources, nil
}

// lock ends the session. The agent goes on without one.
func (a *agent) lock(ctx context.Context) {
	for _, s := range a.slots {
		s.put(nil)
	}
	a.mu.Lock()
	old := a.session
	a.session = nil
	a.mu.Unlock()
	if old != nil {
		end(ctx, old)
	}
	a.removeFile()
	a.tell()
}

// end ends a session, or leaves it to end by itself.
func end(ctx context.Context, session *oidc.Session) {
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	_ = session.Close(grace) // the issuer's own end of the session comes anyway
}

func (a *agent) tell() {
	select {
	case a.changed <- struct{}{}:
	default:
	}
}

// signedIn is the session, if there is one.
func (a *agent) signedIn() *oidc.Session {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.session
}

func (a *agent) status(ctx context.Context) Status {
	a.mu.Lock()
	session := a.session
	st := Status{PID: os.Getpid(), Issuer: a.settings.issuer, Subject: a.subject, Locked: session == nil, Run: a.settings.command()}
	a.mu.Unlock()
	if session != nil {
		expires := session.Expires()
		st.Session, st.Expires = session.ID(), &expires
		st.Locked = !time.Now().Round(0).Before(expires)
	}
	for _, s := range a.slots {
		h := HostStatus{Host: s.host}
		if !st.Locked {
			asking, cancel := context.WithTimeout(ctx, time.Second)
			token, err := s.Token(asking)
			cancel()
			if err != nil {
				h.Error = err.Error()
			} else {
				h.Expires = &token.Expires
			}
		}
		st.Hosts = append(st.Hosts, h)
	}
	return st
}

// environment returns the variables that point a tool at the i-th host.
func (a *agent) environment(i int) [][2]string {
	return [][2]string{
		{"DATABRICKS_HOST", a.slots[i].host},
		// Without it a tool whose token was refused tries another identity.
		{"DATABRICKS_AUTH_TYPE", "metadata-service"},
		{"DATABRICKS_METADATA_SERVICE_URL", a.urls[i]},
	}
}

// stop ends the session, unless it is kept, and forgets its tokens.
func (a *agent) stop(ctx context.Context) {
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	a.forget()
	for _, server := range []*http.Server{a.controls, a.server} {
		if server != nil && server.Shutdown(grace) != nil {
			_ = server.Close() // what is still being answered is cut off
		}
	}
	for _, s := range a.slots {
		s.put(nil)
	}
	a.removeFile()
	if session := a.signedIn(); session != nil && a.settings.keep == "" {
		end(grace, session)
	}
}

// nobody is a session that there is not.
type nobody struct{}

func (nobody) ID() string         { return "" }
func (nobody) Expires() time.Time { return time.Time{} }
func (nobody) IDToken(context.Context, string) (*oidc.IDToken, error) {
	return nil, &oidc.LoginRequiredError{Reason: "nobody is signed in"}
}
