package issuer

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/lakekey/lakekey/internal/secret"
)

// refreshGrace is how long after its successor's first use a refresh token that
// is bound to a key is still taken: programs share a session, and the answer to
// one can be on its way while another goes on.
const refreshGrace = time.Minute

// refresh issues another pair of tokens from a session, and another refresh token
// in place of the one that was used (RFC 9700 §4.14.2).
// https://www.rfc-editor.org/rfc/rfc9700#section-4.14.2
func (i *Issuer) refresh(ctx context.Context, c *call) (reply, error) {
	text, err := c.form.require("refresh_token")
	if err != nil {
		return reply{}, err
	}
	token := secret.New(text)
	s, err := i.store.SessionByRefresh(ctx, HashOf(token))
	if errors.Is(err, ErrNotFound) {
		return reply{}, refuse(http.StatusBadRequest, "invalid_grant", "this refresh token is unknown or its session is over; sign in again")
	}
	if err != nil {
		return reply{}, fmt.Errorf("reading a session: %w", err)
	}
	if err := i.checkRefresh(ctx, c, s); err != nil {
		return reply{}, i.refused(ctx, eventRefresh, c, s, err)
	}
	next := s.successor(token)
	if !s.Replaced.IsZero() {
		if err := i.again(ctx, s, next); err != nil {
			return reply{}, i.refused(ctx, eventRefresh, c, s, err)
		}
	}
	audience, allowed := i.audience(c.client, c.form["audience"])
	if !allowed {
		return reply{}, i.refused(ctx, eventRefresh, c, s, badAudience(c.client))
	}
	i.point("refresh checked")
	// OpenID Connect Core §12.2: a refreshed ID token "SHOULD NOT have a nonce
	// Claim", keeps iss, sub and auth_time, and has a new iat.
	return i.mint(ctx, c, s, issue{typ: eventRefresh, audience: audience, refresh: next, settle: func() error {
		return i.replace(ctx, s, token, next)
	}})
}

func (i *Issuer) checkRefresh(ctx context.Context, c *call, s *Session) error {
	switch {
	case s.ClientID != c.client.ID:
		return refuse(http.StatusBadRequest, "invalid_grant", "this refresh token was issued to another client")
	case !s.Ended.IsZero():
		return refuse(http.StatusBadRequest, "invalid_grant", "this session has ended; sign in again")
	case !i.now().Before(s.Expires):
		return refuse(http.StatusBadRequest, "invalid_grant", "this session is over its hard end; sign in again")
	case c.form["scope"] != "" && c.form["scope"] != s.Scope:
		return refuse(http.StatusBadRequest, "invalid_scope", "this session has the scope "+s.Scope)
	}
	if err := i.prove(ctx, c, s); err != nil {
		return err
	}
	return i.checkCredential(ctx, s)
}

// newRefreshSeed returns what a session's refresh tokens are made with.
func newRefreshSeed() []byte {
	seed := make([]byte, sha256.Size)
	_, _ = rand.Read(seed) // never fails: crypto/rand ends the program first
	return seed
}

// successor is the refresh token after token. It is made and not drawn, so that
// whoever asks twice because the first answer was lost gets the same one, though
// the store has never seen it: a family has one line of descent.
func (s *Session) successor(token secret.Value) secret.Value {
	mac := hmac.New(sha256.New, s.RefreshSeed)
	mac.Write([]byte(token.Reveal()))
	return secret.New(base64.RawURLEncoding.EncodeToString(mac.Sum(nil)))
}

// replace puts next in token's place, as the last thing before it is given out: a
// refresh that comes to nothing uses up nothing.
func (i *Issuer) replace(ctx context.Context, s *Session, token, next secret.Value) error {
	if !s.Replaced.IsZero() { // a retry, which replaces nothing
		return nil
	}
	err := i.store.ReplaceRefresh(ctx, HashOf(token), HashOf(next), i.now())
	switch {
	case errors.Is(err, ErrTaken):
		return i.again(ctx, s, next)
	case err != nil:
		return fmt.Errorf("replacing a refresh token: %w", err)
	}
	i.point("refresh token replaced")
	return nil
}

// again decides about a refresh token that was used before; next is its
// successor. One that nothing binds is in two hands: "If a refresh token is
// compromised and subsequently used by both the attacker and the legitimate
// client, one of them will present an invalidated refresh token, which will
// inform the authorization server of the breach" (RFC 9700 §4.14.2), and the
// family ends with its session. If the proof of the session's key came with it, it
// is that client again, which has lost the answer, or did not wait for it: it is
// given the same answer until the successor has been in use for
// [refreshGrace], after which nothing but a copy can explain it.
func (i *Issuer) again(ctx context.Context, s *Session, next secret.Value) error {
	after, err := i.store.SessionByRefresh(ctx, HashOf(next))
	switch {
	case err != nil && !errors.Is(err, ErrNotFound):
		return fmt.Errorf("reading a session: %w", err)
	case err == nil && !after.Ended.IsZero():
		return refuse(http.StatusBadRequest, "invalid_grant", "this session has ended; sign in again")
	case err == nil && s.JKT != "" && (after.Replaced.IsZero() || i.now().Sub(after.Replaced) <= refreshGrace):
		return nil
	}
	return i.abandon(ctx, s, "its refresh token was used twice", refuse(http.StatusBadRequest, "invalid_grant", "this refresh token was used before, so its session is over: it may have been copied; sign in again"))
}
