package idptest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// patience is how long a provider may take to start: far longer than any does.
const patience = 5 * time.Minute

// Client is a client that a provider knows.
type Client struct {
	ID     string
	Secret string // empty: a public client
}

// Person is somebody who has an account at a provider.
type Person struct {
	Name, Password string // what to type at the sign-in page
	Subject        string // the sub of their ID tokens; empty: the provider makes it up
}

// Provider is a running OpenID provider.
type Provider struct {
	Issuer string // exactly as the provider writes it
	// Native is a public client of programs on people's machines: code with PKCE,
	// refresh tokens, answers at RedirectURI on any port.
	Native Client
	// Device is a client that may ask for device codes; it may be Native.
	Device Client
	// Web is a client with a secret, whose answers go where the test said.
	Web    Client
	Person Person
}

// RedirectURI is where native clients want answers: the host and the path, to
// which a client adds the port on which it listens (RFC 8252 §7.3).
const RedirectURI = "http://127.0.0.1/callback"

// discoveryURL is where the provider describes itself, as OpenID Connect
// Discovery 1.0 §4 builds it.
func discoveryURL(issuer string) string {
	return strings.TrimSuffix(issuer, "/") + "/.well-known/openid-configuration"
}

// client talks to providers: it follows no redirect and keeps no connection to a
// provider that is gone.
var client = &http.Client{
	Transport:     &http.Transport{DisableKeepAlives: true},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// ready waits until the provider serves its discovery document.
func (p *process) ready(ctx context.Context, issuer string) error {
	var last error
	for {
		if last = answers(ctx, discoveryURL(issuer)); last == nil {
			return nil
		}
		select {
		case <-p.ended:
			return p.died()
		case <-ctx.Done():
			return fmt.Errorf("idptest: %s does not answer (%v): %w\n%s", p.name, last, ctx.Err(), p.said)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func answers(ctx context.Context, address string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<20)); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return errors.New(resp.Status)
	}
	return nil
}

// start starts a provider that ends with the test and describes itself on its first
// line, as {"issuer"} and more.
func start(t testing.TB, c command, announcement any) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	p, err := launch(c)
	if err != nil {
		t.Fatal(err)
	}
	p.with(t)
	line, err := p.await(ctx, func(line string) string { return line })
	if err != nil {
		t.Fatal(err)
	}
	var at struct{ Issuer string }
	if err := errors.Join(json.Unmarshal([]byte(line), &at), json.Unmarshal([]byte(line), announcement)); err != nil {
		t.Fatalf("idptest: %s announced itself with %q: %v", c.name, line, err)
	}
	if err := p.ready(ctx, at.Issuer); err != nil {
		t.Fatal(err)
	}
}
