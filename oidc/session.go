package oidc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lakekey/lakekey/internal/refresh"
	"github.com/lakekey/lakekey/internal/secret"
	"github.com/lakekey/lakekey/oidc/assurance"
)

// Session is what one sign-in bought: ID tokens until a hard end, without another
// touch. It cannot be prolonged.
type Session struct {
	provider *Provider
	clientID string
	resource string
	command  string
	id       string
	subject  string
	sid      string // the issuer's name of it, may be empty
	nonce    string
	acr      string
	profile  assurance.Profile
	proof    assurance.Claims // of the sign-in, by profile
	authTime time.Time
	expires  time.Time
	native   bool // begun by SignIn

	credentials atomic.Pointer[credentials] // nil once the session is over
	over        atomic.Pointer[LoginRequiredError]
	oneAudience atomic.Bool // the issuer makes ID tokens for the client and nobody else

	// turn is held while a refresh token is used that the issuer may replace: the
	// second use of one is what a theft looks like, and ends the session
	// (RFC 9700 §4.14.2). Nil where the token stays the same.
	turn chan struct{}
	kept *kept // nil: the session is this process's alone

	mu     sync.Mutex
	tokens map[string]*refresh.Cache[*IDToken] // by audience
}

// credentials are what a session is renewed with. They are reached through one
// pointer so that they can be forgotten, and so that printing a Session by
// whatever means prints an address.
type credentials struct {
	refreshToken secret.Value
	prover       *prover // nil where the issuer binds nothing to a key
}

func newSession(a *attempt, g *grant, first *IDToken) (*Session, error) {
	p, r := a.provider, a.request
	s := &Session{
		provider: p,
		clientID: r.ClientID,
		resource: r.Resource,
		command:  r.LoginCommand,
		id:       first.Session,
		sid:      first.Session,
		subject:  first.Subject,
		nonce:    a.nonce,
		acr:      first.ACR,
		profile:  r.Assurance,
		proof:    first.proof,
		authTime: first.AuthTime,
		expires:  first.sessionEnds,
		native:   a.native,
		tokens:   map[string]*refresh.Cache[*IDToken]{},
	}
	switch {
	case a.native && !sessionID.MatchString(s.sid):
		return nil, refuse("sid", "it names no session")
	case g.sessionID != "" && g.sessionID != s.sid:
		return nil, refuse("sid", "the token response names another session")
	case !sessionID.MatchString(s.id):
		s.id = random(9) // what the issuer calls it does not fit where we say it
	}
	if !a.native {
		s.turn = make(chan struct{}, 1)
	}
	// The signed claim counts; the response may only make the session shorter.
	if s.expires.IsZero() || !g.sessionEnds.IsZero() && g.sessionEnds.Before(s.expires) {
		s.expires = g.sessionEnds
	}
	if !a.native {
		s.expires = bound(s.expires, p.now(), r.Lifetime)
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
	case a.native && first.Expires.After(s.expires.Add(leeway)):
		return nil, refuse("exp", "it outlives its session, which ends at %s", stamp(s.expires))
	}
	s.credentials.Store(&credentials{refreshToken: g.refreshToken, prover: a.prover})
	if err := s.cache(r.audience()).Put(first, first.Expires); err != nil {
		return nil, err
	}
	return s, nil
}

// bound gives a session an end that most issuers do not name, or an earlier one
// if the program wants that.
func bound(said, now time.Time, wanted time.Duration) time.Time {
	if said.IsZero() && wanted <= 0 {
		wanted = defaultLifetime
	}
	if own := now.Add(wanted); wanted > 0 && (said.IsZero() || own.Before(said)) {
		return own
	}
	return said
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

// Close ends the session, for every process that shares it: it forgets the
// session's secrets, whatever else happens, and tells the issuer if the issuer
// wants to be told (RFC 7009). Only the telling, and a Store, can fail. A program
// that leaves a session to others just does not call Close.
func (s *Session) Close(ctx context.Context) error {
	held := s.credentials.Load()
	s.end("the session was closed")
	if held == nil {
		return nil
	}
	if s.kept == nil {
		return s.revoke(ctx, held)
	}
	last, err := s.leave(ctx)
	if last == nil {
		return err
	}
	return errors.Join(err, s.revoke(ctx, last))
}

// revoke tells the issuer that a session is over.
func (s *Session) revoke(ctx context.Context, held *credentials) error {
	p := s.provider
	if held.refreshToken.IsZero() || p.endpoints.revocation == "" {
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
		}, refresh.Options{Now: s.provider.clock, Backoff: backoff, Timeout: flightTime})
		if over := s.over.Load(); over != nil {
			c.Close(over)
		}
		s.tokens[audience] = c
	}
	return c
}

// flightTime bounds a renewal: its own time, and that of another process which
// must end first.
const flightTime = 45 * time.Second

// renew gets an ID token by the refresh token. It runs on no caller's behalf: see
// package refresh.
func (s *Session) renew(ctx context.Context, audience string) (*IDToken, error) {
	if err := s.ended(); err != nil {
		return nil, err
	}
	if audience != s.clientID && s.oneAudience.Load() {
		return nil, s.forClientOnly()
	}
	if s.kept != nil {
		return s.renewKept(ctx, audience)
	}
	if s.turn != nil {
		select {
		case s.turn <- struct{}{}:
			defer func() { <-s.turn }()
		case <-ctx.Done():
			return nil, errors.New("oidc: renewing an ID token: another renewal of the session takes too long")
		}
	}
	held := s.credentials.Load()
	if held == nil {
		return nil, s.ended()
	}
	if held.refreshToken.IsZero() {
		return nil, s.end("the issuer gave no refresh token")
	}
	form := s.refreshForm(held, audience)
	g, err := s.provider.grant(ctx, held.prover, form)
	if reason := finality(err, form); reason != "" {
		return nil, s.end(reason)
	}
	if err != nil {
		return nil, unowned(ctx, err)
	}
	// A refresh token that is bound to the session's key need not change
	// (RFC 9700 §4.14.2); an issuer that changes it all the same must be followed,
	// whatever is wrong with the rest of its answer.
	// https://www.rfc-editor.org/rfc/rfc9700#section-4.14.2
	if !g.refreshToken.IsZero() && !g.refreshToken.Equal(held.refreshToken) {
		s.credentials.CompareAndSwap(held, &credentials{refreshToken: g.refreshToken, prover: held.prover})
	}
	return s.renewed(ctx, g, audience)
}

func (s *Session) refreshForm(held *credentials, audience string) url.Values {
	form := url.Values{"grant_type": {"refresh_token"}, "client_id": {s.clientID}, "refresh_token": {held.refreshToken.Reveal()}}
	if s.provider.namesAudiences(s.clientID, audience) {
		form.Set("audience", audience)
	}
	if s.resource != "" {
		form.Set("resource", s.resource)
	}
	return form
}

// renewed checks what a refresh brought: it continues the session and changes
// nothing about it.
func (s *Session) renewed(ctx context.Context, g *grant, audience string) (*IDToken, error) {
	if g.idToken.IsZero() {
		return nil, s.end("the issuer renews without an ID token")
	}
	want := expectation{
		audience: audience, clientID: s.clientID, profile: s.profile, proof: s.proof, acr: s.acr, accessToken: g.accessToken, nonce: s.nonce,
		subject: s.subject, session: s.sid, authTime: s.authTime, sessionRepeats: s.native,
	}
	t, err := s.provider.verify(ctx, g.idToken, want)
	if wrong, ok := errors.AsType[*IDTokenError](err); ok && wrong.Check == "aud" && audience != s.clientID {
		// An issuer that does not know the parameter gives what it always gives.
		want.audience = s.clientID
		if _, err := s.provider.verify(ctx, g.idToken, want); err == nil {
			s.oneAudience.Store(true)
			return nil, s.forClientOnly()
		}
	}
	if wrong, ok := errors.AsType[*IDTokenError](err); ok && !s.native && oneOf(append([]string{"acr", "amr", "acrs", "tid", "sub", "sid", "auth_time"}, s.profile.Reads()...), wrong.Check) {
		// Issuers whose tokens follow the person's browser session say less of it
		// after a weaker sign-in there. Asking again would not make it more.
		return nil, s.end("the issuer no longer says what the session began with: " + wrong.Check + ": " + wrong.Reason)
	}
	if err != nil {
		return nil, unowned(ctx, err)
	}
	if s.native && t.Expires.After(s.expires.Add(leeway)) {
		return nil, refuse("exp", "it outlives its session, which ends at %s", stamp(s.expires))
	}
	return t, nil
}

func (s *Session) forClientOnly() error {
	return refuse("aud", "%s makes ID tokens for the client, %q, and nobody else: take that as the audience, here and in the federation policy", s.provider.issuer, s.clientID)
}

// finality returns why the session is over, if err says that it is. RFC 6749
// §5.2: with invalid_grant the refresh token is "invalid, expired, revoked", and
// only a person can get another. Not all issuers keep to that word: OpenID
// Connect Core 1.0 §3.1.2.6 has others for a person who is needed.
// https://www.rfc-editor.org/rfc/rfc6749#section-5.2
func finality(err error, form url.Values) string {
	refused, ok := errors.AsType[*ExchangeError](err)
	switch {
	case !ok:
		return ""
	case slices.Contains([]string{"invalid_grant", "login_required", "interaction_required", "consent_required", "invalid_token"}, refused.Code):
	case refused.Code == "invalid_request" && !form.Has("audience"): // Dex, of a refresh token that was used before
	default:
		return ""
	}
	reason := "the issuer no longer accepts the session"
	if refused.Description != "" {
		reason += ": " + refused.Description
	}
	return reason
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
	pause := refresh.Pause(failures)
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
