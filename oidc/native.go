package oidc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/lakekey/lakekey/internal/secret"
)

// Key answers WebAuthn challenges: it wakes a security key and waits for a touch.
// authenticator.Client is one.
//
// Get takes the origin it signs for and PublicKeyCredentialRequestOptionsJSON,
// and returns AuthenticationResponseJSON (WebAuthn Level 3). It must return soon
// after ctx is done.
type Key interface {
	Get(ctx context.Context, origin string, options []byte) ([]byte, error)
}

// SignIn signs in with a security key and starts a session. It calls key.Get
// once, on this goroutine and under ctx, with the origin of the issuer; nothing
// else in this package ever does.
//
// It returns the key's error as it is in the chain, [*ExchangeError] if the issuer
// refuses, [*IDTokenError] if what the issuer gave is not what was asked for, and
// ctx's error.
func SignIn(ctx context.Context, p *Provider, key Key, r SignInRequest) (*Session, error) {
	if r.Audience == "" {
		return nil, errors.New("oidc: SignInRequest.Audience is empty: whom is the ID token for?")
	}
	if p.endpoints.challenge == "" || p.endpoints.token == "" {
		return nil, fmt.Errorf("oidc: %s offers no sign-in by security key: its discovery document lacks authorization_challenge_endpoint or token_endpoint", p.issuer)
	}
	a, err := begin(ctx, p, r, true)
	if err != nil {
		return nil, err
	}
	f := &ceremony{a}
	code, err := f.authorize(ctx, key)
	if err != nil {
		return nil, err
	}
	form := a.form("authorization_code")
	form.Set("code", code.Reveal())
	form.Set("code_verifier", a.verifier.Reveal())
	return a.finish(ctx, form)
}

// ceremony is a sign-in with a key under way.
type ceremony struct{ *attempt }

// authorize gets a challenge, has the key answer it, and returns the code that
// the issuer gives for the answer.
// https://datatracker.ietf.org/doc/draft-ietf-oauth-first-party-apps/
func (f *ceremony) authorize(ctx context.Context, key Key) (secret.Value, error) {
	form := f.parameters()
	form.Set("response_type", "code") // RFC 6749 §4.1.1
	form.Set("code_challenge", f.codeChallenge())
	form.Set("code_challenge_method", "S256")
	form.Set("dpop_jkt", f.prover.thumbprint)
	c, err := f.challenge(ctx, form)
	if err != nil {
		return secret.Value{}, err
	}
	response, err := f.touch(ctx, key, c)
	if err != nil {
		return secret.Value{}, err
	}
	return f.redeem(ctx, url.Values{
		"client_id":         {f.request.ClientID},
		"auth_session":      {c.session.Reveal()},
		"webauthn_response": {string(response)},
	})
}

// challenge is what the issuer wants a key to answer.
type challenge struct {
	session secret.Value
	options []byte        // PublicKeyCredentialRequestOptionsJSON
	lives   time.Duration // zero: not said
}

const challengeEndpoint = "authorization challenge"

func (f *ceremony) challenge(ctx context.Context, form url.Values) (*challenge, error) {
	a, err := f.provider.wire.post(ctx, f.provider.endpoints.challenge, form, nil)
	if err != nil {
		return nil, sealed(ctx, "asking the issuer for a challenge", err)
	}
	c, err := parseChallenge(a.body)
	if a.status < 400 || a.status > 499 || errors.Is(err, errNoChallenge) {
		return nil, a.failure(challengeEndpoint, form, f.provider.now())
	}
	if err != nil {
		return nil, fmt.Errorf("oidc: the issuer's challenge: %v", err)
	}
	return c, nil
}

var errNoChallenge = errors.New("no challenge")

// parseChallenge reads the error response that asks for more: error
// insufficient_authorization with auth_session and, of ours, webauthn.
func parseChallenge(body []byte) (*challenge, error) {
	m, err := parseObject(body)
	if err != nil {
		return nil, err
	}
	if code, err := m.text("error"); err != nil || code != "insufficient_authorization" {
		return nil, errNoChallenge
	}
	session, err := m.text("auth_session")
	if err != nil || session == "" {
		return nil, errors.New("it has no auth_session")
	}
	options := bytes.TrimSpace(m["webauthn"])
	if !m.has("webauthn") || options[0] != '{' {
		return nil, errors.New("it has no WebAuthn options: the issuer wants something else than a security key")
	}
	c := &challenge{session: secret.New(session), options: options}
	if m.has("expires_in") {
		n, err := m.seconds("expires_in", true)
		if err != nil || n <= 0 {
			return nil, errors.New("expires_in is not a time to live")
		}
		c.lives = time.Duration(min(n, 3600)) * time.Second
	}
	return c, nil
}

// touch is the one place that wakes a key. A challenge that has run out cannot be
// answered, so the key does not blink for longer than it lives.
func (f *ceremony) touch(ctx context.Context, key Key, c *challenge) ([]byte, error) {
	if err := ctx.Err(); err != nil { // a transport need not look at it
		return nil, sealed(ctx, "waking the key", err)
	}
	within := ctx
	if c.lives > 0 {
		var cancel context.CancelFunc
		within, cancel = context.WithTimeout(ctx, c.lives)
		defer cancel()
	}
	response, err := key.Get(within, f.provider.origin, c.options)
	if err != nil && ctx.Err() == nil && within.Err() != nil {
		return nil, fmt.Errorf("oidc: the key was not touched within %s: sign in again", c.lives)
	}
	if err != nil {
		return nil, fmt.Errorf("oidc: answering the issuer's challenge with the key: %w", err)
	}
	return response, nil
}

func (f *ceremony) redeem(ctx context.Context, form url.Values) (secret.Value, error) {
	a, err := f.provider.wire.post(ctx, f.provider.endpoints.challenge, form, nil)
	if err != nil {
		return secret.Value{}, sealed(ctx, "sending the key's answer to the issuer", err)
	}
	if a.status != http.StatusOK {
		return secret.Value{}, a.failure(challengeEndpoint, form, f.provider.now())
	}
	m, err := parseObject(a.body)
	if err != nil {
		return secret.Value{}, fmt.Errorf("oidc: the issuer's answer to the key's: %v", err)
	}
	code, err := m.text("authorization_code")
	if err != nil || code == "" {
		return secret.Value{}, errors.New("oidc: the issuer took the key's answer and gave no authorization_code")
	}
	return secret.New(code), nil
}
