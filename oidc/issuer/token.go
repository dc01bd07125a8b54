package issuer

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/lakekey/lakekey/internal/secret"
)

const (
	grantCode    = "authorization_code"
	grantRefresh = "refresh_token"
)

// redeem is the token endpoint (RFC 6749 §3.2). Every token is bound to the
// client's DPoP key (RFC 9449 §5).
func (i *Issuer) redeem(r *http.Request, c *call) (reply, error) {
	grant, err := c.form.require("grant_type")
	if err != nil {
		return reply{}, err
	}
	switch grant {
	case grantCode:
		return i.redeemCode(r.Context(), c)
	case grantRefresh:
		return i.refresh(r.Context(), c)
	case grantExchange:
		return i.exchangeToken(r.Context(), c)
	case grantDevice:
		return i.redeemDevice(r.Context(), c)
	default:
		return reply{}, refuse(http.StatusBadRequest, "unsupported_grant_type", "the discovery document lists the grants that this issuer takes")
	}
}

// redeemCode is the token request with a code (RFC 6749 §4.1.3).
func (i *Issuer) redeemCode(ctx context.Context, c *call) (reply, error) {
	code, err := c.form.require("code")
	if err != nil {
		return reply{}, err
	}
	answer, err := i.takeCode(ctx, c, HashOf(secret.New(code)), false)
	if errors.Is(err, ErrNotFound) {
		return reply{}, refuse(http.StatusBadRequest, "invalid_grant", "this code is unknown or was forgotten; sign in again")
	}
	return answer, err
}

// takeCode takes the code before it looks at anything that came with it. If
// something is wrong then, the session the code would have started is over: a
// code in the wrong hands is good for one guess. The error is [ErrNotFound] if
// there is no such code.
func (i *Issuer) takeCode(ctx context.Context, c *call, code Hash, device bool) (reply, error) {
	refresh := newSecret()
	// What is wrong with a proof is said once the code is taken.
	var (
		p   *proof
		jkt string
		bad error
	)
	if len(c.proofs) > 0 {
		if p, bad = verifyProof(c.proofs, http.MethodPost, c.url, i.now()); bad == nil {
			jkt = p.jkt
		}
	}
	s, err := i.store.TakeCode(ctx, code, HashOf(refresh), jkt)
	switch {
	case errors.Is(err, ErrNotFound):
		return reply{}, err
	case errors.Is(err, ErrTaken):
		// RFC 6749 §4.1.2: "If an authorization code is used more than once,
		// the authorization server MUST deny the request and SHOULD revoke …
		// all tokens previously issued based on that authorization code."
		// https://www.rfc-editor.org/rfc/rfc6749#section-4.1.2
		return reply{}, i.abandon(ctx, s, "its code was used twice", refuse(http.StatusBadRequest, "invalid_grant", "this code was used before, so the session it started is over; sign in again"))
	case err != nil:
		return reply{}, fmt.Errorf("taking a code: %w", err)
	}
	i.point("code taken")
	audience, err := i.checkCode(c, s, device)
	if err == nil && bad != nil {
		err = bad
	}
	if err == nil {
		err = i.holds(ctx, c, s, p)
	}
	// Nor does it help to have been fast: a key may have been revoked since the
	// sign-in.
	if err == nil {
		err = i.checkCredential(ctx, s)
	}
	if err != nil {
		return reply{}, i.abandon(ctx, s, "its code was redeemed wrongly", err)
	}
	i.point("code checked")
	if s.JKT == "" && !c.client.confidential() {
		// A refresh token that nothing binds is one that whoever finds it can use.
		refresh = secret.Value{}
	}
	answer, err := i.mint(ctx, c, s, issue{typ: eventIssue, audience: audience, nonce: s.Nonce, refresh: refresh})
	if err != nil {
		return reply{}, i.abandon(ctx, s, "its first tokens could not be issued", err)
	}
	return answer, nil
}

// checkCode decides whether whoever has the code is who asked for it.
func (i *Issuer) checkCode(c *call, s *Session, device bool) (audience string, err error) {
	now := i.now()
	switch {
	case s.ClientID != c.client.ID:
		return "", refuse(http.StatusBadRequest, "invalid_grant", "this code was issued to another client")
	case !s.Ended.IsZero():
		return "", refuse(http.StatusBadRequest, "invalid_grant", "this session has ended; sign in again")
	case !now.Before(s.CodeExpires):
		return "", refuse(http.StatusBadRequest, "invalid_grant", "this code has expired; sign in again")
	case s.Device != device:
		return "", refuse(http.StatusBadRequest, "invalid_grant", "this code is for another grant")
	// RFC 6749 §4.1.3: "their values MUST be identical".
	case c.form["redirect_uri"] != s.RedirectURI:
		return "", refuse(http.StatusBadRequest, "invalid_grant", "the redirect_uri is not the one that the code was sent to")
	case (!device || s.CodeChallenge != "") && !verifierMatches(c.form["code_verifier"], s.CodeChallenge):
		return "", refuse(http.StatusBadRequest, "invalid_grant", "the code_verifier does not match the code_challenge of the request")
	}
	audience = s.Audience
	if asked := c.form["audience"]; asked != "" {
		audience = asked
	}
	// The client may have lost the audience since.
	if _, allowed := i.audience(c.client, audience); !allowed {
		return "", badAudience(c.client)
	}
	return audience, nil
}

// verifierMatches is RFC 7636 §4.6 for S256. The length and alphabet of §4.1
// are part of what makes a verifier unguessable.
func verifierMatches(verifier, challenge string) bool {
	if len(verifier) < 43 || len(verifier) > 128 || strings.IndexFunc(verifier, func(r rune) bool { return r > 0x7e || !unreserved(byte(r)) }) >= 0 {
		return false
	}
	sum := sha256.Sum256([]byte(verifier))
	return subtle.ConstantTimeCompare([]byte(base64.RawURLEncoding.EncodeToString(sum[:])), []byte(challenge)) == 1
}

// prove checks that the request is by the holder of the session's DPoP key, and
// new.
func (i *Issuer) prove(ctx context.Context, c *call, s *Session) error {
	if len(c.proofs) == 0 {
		return i.holds(ctx, c, s, nil)
	}
	p, err := verifyProof(c.proofs, http.MethodPost, c.url, i.now())
	if err != nil {
		return err
	}
	return i.holds(ctx, c, s, p)
}

// holds is prove for a proof that has been verified; nil: none was sent. A
// session without a key is one of bearer tokens.
func (i *Issuer) holds(ctx context.Context, c *call, s *Session, p *proof) error {
	switch {
	case p == nil && s.JKT == "" && c.client.InsecureBearer:
		return nil
	case p == nil:
		return missingProof()
	case p.jkt != s.JKT:
		return refuse(http.StatusBadRequest, "invalid_grant", "the DPoP proof is by another key than the one this session is bound to")
	}
	return i.spend(ctx, p)
}
