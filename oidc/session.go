package oidc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lakekey/lakekey/internal/refresh"
	"github.com/lakekey/lakekey/internal/secret"
)

// Session is what one touch bought: ID tokens until a hard end, without another
// touch. It cannot be prolonged.
type Session struct {
	provider *Provider
	clientID string
	command  string
	id       string
	subject  string
	acr      string
	authTime time.Time
	expires  time.Time

	credentials atomic.Pointer[credentials] // nil once the session is over
	over        atomic.Pointer[LoginRequiredError]

	mu     sync.Mutex
	tokens map[string]*refresh.Cache[*IDToken] // by audience
}

// credentials are what a session is renewed with. They are reached through one
// pointer so that they can be forgotten, and so that printing a Session by
// whatever means prints an address.
type credentials struct {
	refreshToken secret.Value
	prover       *prover
}

func newSession(p *Provider, r SignInRequest, proofs *prover, g *grant, first *IDToken) (*Session, error) {
	s := &Session{
		provider: p,
		clientID: r.ClientID,
		command:  r.LoginCommand,
		id:       first.Session,
		subject:  first.Subject,
		acr:      first.ACR,
		authTime: first.AuthTime,
		expires:  first.sessionEnds,
		tokens:   map[string]*refresh.Cache[*IDToken]{},
	}
	switch {
	case !sessionID.MatchString(s.id):
		return nil, refuse("sid", "it names no session")
	case g.sessionID != "" && g.sessionID != s.id:
		return nil, refuse("sid", "the token response names another session")
	}
	// The signed claim counts; the response may only make the session shorter.
	if s.expires.IsZero() || !g.sessionEnds.IsZero() && g.sessionEnds.Before(s.expires) {
		s.expires = g.sessionEnds
	}
	// The touch is the only ground for the session, and it is of today.
	for _, from := range []time.Time{s.authTime, p.now()} {
		if latest := from.Add(maxLifetime); s.expires.After(latest) {
			s.expires = latest
		}
	}
	switch {
	case s.expires.IsZero():
		return nil, errors.New("oidc: the issuer does not say when the session ends")
	case first.Expires.After(s.expires.Add(leeway)):
		return nil, refuse("exp", "it outlives its session, which ends at %s", stamp(s.expires))
	}
	s.credentials.Store(&credentials{refreshToken: g.refreshToken, prover: proofs})
	if err := s.cache(r.Audience).Put(first, first.Expires); err != nil {
		return nil, err
	}
	return s, nil
}

// ID names the session in logs and in the User-Agent of what is done under it.
// It is no secret.
func (s *Session) ID() string { return s.id }

// Subject is who signed in: at lakekey's issuer, the user name.
func (s *Session) Subject() string { return s.subject }

// Expires is the hard end: at most 24 h after the touch, whatever the issuer
// says.
func (s *Session) Expires() time.Time { return s.expires }

// IDToken returns an ID token for audience, from memory or, bound to the
// session's key, from the issuer. It never touches a security key.
//
// It returns [*LoginRequiredError] once the session is over, [*ExchangeError] if
// the issuer refuses, for instance an audience that this client may not ask for
// (invalid_target), [*IDTokenError] if what it gave is not good, and ctx's error
// as soon as ctx ends. After a failure, the issuer is left alone for a while and
// callers get the same error at once.
func (s *Session) IDToken(ctx context.Context, audience string) (*IDToken, error) {
	if audience == "" {
		return nil, errors.New("oidc: an ID token is for an audience, and none was named")
	}
	if err := s.ended(); err != nil {
		return nil, err
	}
	t, err := s.cache(audience).Value(ctx)
	if err != nil && err == ctx.Err() {
		return nil, fmt.Errorf("oidc: waiting for an ID token: %w", err)
	}
	return t, err
}

// ended returns the reason if the session is over.
func (s *Session) ended() error {
	if over := s.over.Load(); over != nil {
		return over
	}
	if !s.provider.now().Before(s.expires) {
		return s.end("the session ended at " + stamp(s.expires))
	}
	return nil
}

// end makes the session over, forgets its secrets, and returns why it is over:
// the first reason counts.
func (s *Session) end(reason string) *LoginRequiredError {
	s.over.CompareAndSwap(nil, &LoginRequiredError{Reason: reason, Command: s.command})
	over := s.over.Load()
	s.credentials.Store(nil)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.tokens {
		c.Close(over)
	}
	return over
}

// Close ends the session: it forgets the session's secrets, whatever else
// happens, and tells the issuer if the issuer wants to be told (RFC 7009). Only
// the telling can fail.
func (s *Session) Close(ctx context.Context) error {
	held := s.credentials.Load()
	s.end("the session was closed")
	p := s.provider
	if held == nil || held.refreshToken.IsZero() || p.endpoints.revocation == "" {
		return nil
	}
	form := url.Values{"token": {held.refreshToken.Reveal()}, "token_type_hint": {"refresh_token"}, "client_id": {s.clientID}}
	header, err := held.prover.proof(http.MethodPost, p.endpoints.revocation, p.now())
	if err != nil {
		return err
	}
	a, err := p.wire.post(ctx, p.endpoints.revocation, form, header)
	if err != nil {
		return sealed(ctx, "telling the issuer that the session is closed", err)
	}
	if a.status != http.StatusOK {
		return a.failure("revocation", form, p.now())
	}
	return nil
}

// cache returns the tokens for one audience.
func (s *Session) cache(audience string) *refresh.Cache[*IDToken] {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, ok := s.tokens[audience]
	if !ok {
		c = refresh.New(func(ctx context.Context) (*IDToken, time.Time, error) {
			t, err := s.renew(ctx, audience)
			if err != nil {
				return nil, time.Time{}, err
			}
			return t, t.Expires, nil
		}, refresh.Options{Now: s.provider.clock, Backoff: backoff})
		if over := s.over.Load(); over != nil {
			c.Close(over)
		}
		s.tokens[audience] = c
	}
	return c
}

// renew gets an ID token by the refresh token. It runs on no caller's behalf: see
// package refresh.
func (s *Session) renew(ctx context.Context, audience string) (*IDToken, error) {
	if err := s.ended(); err != nil {
		return nil, err
	}
	held := s.credentials.Load()
	if held == nil {
		return nil, s.ended()
	}
	if held.refreshToken.IsZero() {
		return nil, s.end("the issuer gave no refresh token")
	}
	g, err := s.provider.grant(ctx, held.prover, url.Values{
		"grant_type":    {"refresh_token"},
		"client_id":     {s.clientID},
		"audience":      {audience},
		"refresh_token": {held.refreshToken.Reveal()},
	})
	// RFC 6749 §5.2: the grant is "invalid, expired, revoked". Only a person can
	// get another, so nothing more is sent.
	// https://www.rfc-editor.org/rfc/rfc6749#section-5.2
	if refused, ok := errors.AsType[*ExchangeError](err); ok && refused.Code == "invalid_grant" {
		reason := "the issuer no longer accepts the session"
		if refused.Description != "" {
			reason += ": " + refused.Description
		}
		return nil, s.end(reason)
	}
	if err != nil {
		return nil, unowned(ctx, err)
	}
	t, err := s.provider.verify(ctx, g.idToken, expectation{
		audience: audience, clientID: s.clientID, acr: []string{s.acr}, authAfter: s.authTime,
		accessToken: g.accessToken, subject: s.subject, session: s.id, authTime: s.authTime,
	})
	if err != nil {
		return nil, unowned(ctx, err)
	}
	if t.Expires.After(s.expires.Add(leeway)) {
		return nil, refuse("exp", "it outlives its session, which ends at %s", stamp(s.expires))
	}
	// The refresh token is bound to the session's key and need not change
	// (RFC 9700 §4.14.2); an issuer that changes it all the same must be followed.
	// https://www.rfc-editor.org/rfc/rfc9700#section-4.14.2
	if !g.refreshToken.IsZero() && !g.refreshToken.Equal(held.refreshToken) {
		s.credentials.CompareAndSwap(held, &credentials{refreshToken: g.refreshToken, prover: held.prover})
	}
	return t, nil
}

// unowned keeps the end of a refresh's own time limit from looking like the end
// of a waiter's context.
func unowned(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		return err
	}
	return fmt.Errorf("oidc: renewing an ID token: %v", err)
}

// backoff leaves an issuer alone for as long as it asks, and for a minute after a
// refusal that asking again will not change.
func backoff(failures int, err error) time.Duration {
	pause := min(time.Second<<min(failures-1, 6), time.Minute)
	if refused, ok := errors.AsType[*ExchangeError](err); ok {
		if 400 <= refused.Status && refused.Status < 500 && refused.Status != http.StatusTooManyRequests {
			pause = time.Minute
		}
		pause = max(pause, min(refused.RetryAfter, 5*time.Minute))
	}
	return pause
}

// Format prints what is no secret, whatever the verb.
func (s *Session) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "session %s of %s at %s until %s", s.id, s.subject, s.provider.issuer, stamp(s.expires))
}

// LogValue implements [slog.LogValuer].
func (s *Session) LogValue() slog.Value {
	return slog.GroupValue(slog.String("id", s.id), slog.String("subject", s.subject), slog.Time("expires", s.expires))
}
