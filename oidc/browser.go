package oidc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/url"
	"time"

	"github.com/lakekey/lakekey/internal/secret"
)

// Browser shows the issuer's page to the person who signs in. Package launch has
// one for desktops and terminals.
type Browser interface {
	// Open shows address, which is https, or http on loopback, in the person's
	// browser, or tells the person to open it. It returns as soon as that is
	// under way. address holds no secret that is of use to who reads it later,
	// but it names the person.
	Open(ctx context.Context, address string) error
}

// Paster is a Browser that may run on another machine, from where it cannot come
// back by itself: the person copies the address at which it ended.
type Paster interface {
	Browser

	// Paste returns the next address that the person pastes. problem says what
	// was wrong with the last one; it is nil at first. Paste is called on another
	// goroutine than Open, after it, and must return soon after ctx is done,
	// which it is as soon as the browser has come back after all. If nobody can
	// paste, it waits for that.
	Paste(ctx context.Context, problem error) (string, error)
}

// patience is how long a person may take. Hours would keep a port open, and a
// program hanging, for somebody who went home.
const patience = 5 * time.Minute

var discard = log.New(io.Discard, "", 0)

// SignInBrowser signs in on the issuer's page in a browser and starts a session:
// authorization code with PKCE, for which the browser comes back to a port on
// this machine (RFC 8252). It calls b.Open once, on this goroutine and under ctx.
//
// An answer counts only with this sign-in's state, and the issuer's name where
// the issuer sends it (RFC 9207); the ID token only with this sign-in's nonce.
// Requests that lack the state change nothing. The issuer gets the request by
// the back channel where it offers that (RFC 9126), so that nobody can edit
// in the browser what is asked.
//
// After 5 minutes without an answer it gives up. Otherwise it returns what
// [SignIn] returns; an [*ExchangeError] of the endpoint "authorization" is what
// the issuer said through the browser.
func SignInBrowser(ctx context.Context, p *Provider, b Browser, r SignInRequest) (*Session, error) {
	redirect, err := parseRedirect(r.RedirectURL)
	if err != nil {
		return nil, err
	}
	if p.endpoints.authorization == "" || p.endpoints.token == "" {
		return nil, fmt.Errorf("oidc: %s offers no sign-in by browser: its discovery document lacks authorization_endpoint or token_endpoint", p.issuer)
	}
	a, err := begin(ctx, p, r, false)
	if err != nil {
		return nil, err
	}
	a.nonce = random(32)
	l, err := newLoopback(ctx, redirect, random(32), a.returned)
	if err != nil {
		return nil, err
	}
	defer l.close()
	code, err := a.browse(ctx, b, l)
	if err != nil {
		return nil, err
	}
	form := a.form("authorization_code")
	form.Set("code", code.Reveal())
	form.Set("code_verifier", a.verifier.Reveal())
	form.Set("redirect_uri", l.redirect.String())
	return a.finish(ctx, form)
}

// browse sends the person to the issuer and waits for the code.
func (a *attempt) browse(ctx context.Context, b Browser, l *loopback) (secret.Value, error) {
	waits := a.request.Patience
	if waits <= 0 {
		waits = patience
	}
	within, cancel := context.WithTimeout(ctx, waits)
	defer cancel()
	address, err := a.address(within, l)
	if err == nil {
		err = b.Open(within, address)
		if err != nil {
			err = fmt.Errorf("oidc: opening the browser: %w", err)
		}
	}
	if err != nil {
		return secret.Value{}, err
	}
	pasting := make(chan error, 1)
	if paster, ok := b.(Paster); ok {
		done := make(chan struct{})
		go func() { defer close(done); pasting <- paste(within, paster, l) }()
		defer func() { cancel(); <-done }() // whoever reads the terminal has left it
	}
	for {
		select {
		case came := <-l.answers:
			return came.code, came.err
		case err := <-pasting:
			if err != nil && within.Err() == nil {
				return secret.Value{}, fmt.Errorf("oidc: asking for the address at which the browser ended: %w", err)
			}
			pasting = nil
		case <-within.Done():
			if ctx.Err() != nil {
				return secret.Value{}, fmt.Errorf("oidc: waiting for the browser: %w", ctx.Err())
			}
			return secret.Value{}, fmt.Errorf("oidc: nobody signed in within %s: sign in again", waits)
		}
	}
}

// paste asks until an address is the right one.
func paste(ctx context.Context, b Paster, l *loopback) error {
	var problem error
	for {
		text, err := b.Paste(ctx, problem)
		if err != nil {
			return err
		}
		if problem = l.pasted(text); problem == nil {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

// address is where the browser is to go.
func (a *attempt) address(ctx context.Context, l *loopback) (string, error) {
	p := a.provider
	query := a.parameters()
	query.Set("response_type", "code")
	query.Set("redirect_uri", l.redirect.String())
	query.Set("state", l.state)
	query.Set("nonce", a.nonce)
	query.Set("code_challenge", a.codeChallenge())
	query.Set("code_challenge_method", "S256")
	if a.prover != nil {
		query.Set("dpop_jkt", a.prover.thumbprint) // RFC 9449 §10
	}
	if p.endpoints.pushed != "" {
		pushed, err := a.push(ctx, query)
		if err != nil {
			return "", err
		}
		query = url.Values{"client_id": {a.request.ClientID}, "request_uri": {pushed}}
	}
	u, err := url.Parse(p.endpoints.authorization)
	if err != nil {
		return "", errors.New("oidc: the issuer's authorization_endpoint is not a URL")
	}
	// RFC 6749 §3.1: a query that the endpoint has stays.
	// https://www.rfc-editor.org/rfc/rfc6749#section-3.1
	merged := u.Query()
	for name, values := range query {
		merged[name] = values
	}
	u.RawQuery = merged.Encode()
	return u.String(), nil
}

// push leaves the request with the issuer, RFC 9126 §2, and returns its name.
// https://www.rfc-editor.org/rfc/rfc9126#section-2
func (a *attempt) push(ctx context.Context, query url.Values) (string, error) {
	p := a.provider
	got, err := p.wire.post(ctx, p.endpoints.pushed, query, nil)
	if err != nil {
		return "", sealed(ctx, "leaving the request with the issuer", err)
	}
	if got.status != http.StatusCreated && got.status != http.StatusOK {
		return "", got.failure("pushed authorization request", query, p.now())
	}
	m, err := parseObject(got.body)
	if err != nil {
		return "", fmt.Errorf("oidc: the issuer's answer to the pushed request: %v", err)
	}
	name, err := m.text("request_uri")
	if err != nil || name == "" || len(name) > 512 {
		return "", errors.New("oidc: the issuer took the pushed request and gave no request_uri")
	}
	return name, nil
}

// returned looks at what came back from the issuer with the right state.
func (a *attempt) returned(values url.Values) (secret.Value, error) {
	p := a.provider
	// RFC 9207 §2.4: compared "using simple string comparison", and required
	// of who announced it: an answer of another issuer must not be taken to
	// this one's token endpoint.
	// https://www.rfc-editor.org/rfc/rfc9207#section-2.4
	switch iss, sent := values["iss"]; {
	case sent && iss[0] != p.issuer:
		return secret.Value{}, fmt.Errorf("oidc: the answer came from another issuer, %.200q", clean(iss[0]))
	case !sent && p.endpoints.sendsIssuer:
		return secret.Value{}, errors.New("oidc: the answer lacks the issuer's name (iss), which the issuer always sends")
	}
	if values.Has("error") {
		return secret.Value{}, &ExchangeError{
			Endpoint: "authorization", Status: http.StatusFound,
			Code: cleanCode(values.Get("error")), Description: clean(values.Get("error_description"), a.secrets()...),
		}
	}
	code := values.Get("code")
	if code == "" || len(code) > 4096 {
		return secret.Value{}, errors.New("oidc: the issuer sent the browser back without a code")
	}
	return secret.New(code), nil
}
