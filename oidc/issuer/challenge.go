package issuer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/lakekey/lakekey/fido"
	"github.com/lakekey/lakekey/internal/secret"
)

// insufficient is the answer that asks for a touch: FiPA §5.2.2 with an
// extension, webauthn, that carries the options of the ceremony.
type insufficient struct {
	Error       string          `json:"error"`
	Description string          `json:"error_description"`
	AuthSession string          `json:"auth_session"`
	ExpiresIn   int64           `json:"expires_in"`
	WebAuthn    json.RawMessage `json:"webauthn"`
}

type codeBody struct {
	Code string `json:"authorization_code"`
}

// challenge is the authorization challenge endpoint of OAuth 2.0 for
// First-Party Applications: the first request states what is asked for and gets
// a challenge, the second answers the challenge and gets a code.
// https://datatracker.ietf.org/doc/html/draft-ietf-oauth-first-party-apps-04#section-4.1
func (i *Issuer) challenge(r *http.Request, c *call) (reply, error) {
	i.sweep(r.Context())
	if c.form["auth_session"] != "" {
		return i.finish(r.Context(), c)
	}
	return i.begin(r.Context(), c)
}

// begin answers the first request: HTTP 403 with insufficient_authorization
// (FiPA §5.2.2.1).
func (i *Issuer) begin(ctx context.Context, c *call) (reply, error) {
	req, err := i.challengeRequest(ctx, c)
	if err != nil {
		return reply{}, err
	}
	hint := c.form["login_hint"]
	if len(hint) > maxText {
		return reply{}, refuse(http.StatusBadRequest, "invalid_request", "the login_hint is too long")
	}
	ceremony, err := i.rp.BeginSignIn(ctx, fido.SignInRequest{Purpose: fido.PurposeSignIn, UserName: hint, RemoteAddr: c.remote})
	if err != nil {
		return reply{}, fmt.Errorf("beginning a sign-in: %w", err)
	}
	i.point("challenge made")
	// The ceremony's own secret is the auth_session: one name for one attempt,
	// and no second secret that the store would have to keep in the clear.
	req.ID, req.Expires = HashOf(ceremony.ID), ceremony.Expires
	if err := i.store.PutRequest(ctx, *req); err != nil {
		return reply{}, fmt.Errorf("keeping an authorization request: %w", err)
	}
	i.point("request kept")
	return reply{status: http.StatusForbidden, body: insufficient{
		Error:       "insufficient_authorization",
		Description: "touch your security key: send the response to the webauthn options, and this auth_session, within expires_in seconds",
		AuthSession: ceremony.ID.Reveal(),
		ExpiresIn:   int64(ceremony.Expires.Sub(req.Created) / time.Second),
		WebAuthn:    ceremony.Options,
	}}, nil
}

// challengeRequest checks everything that can be checked before the person is
// asked for a touch.
func (i *Issuer) challengeRequest(ctx context.Context, c *call) (*Request, error) {
	if err := refuseUnsupported(c.form); err != nil {
		return nil, err
	}
	// Scopes beyond openid mean nothing to a program that is here for ID tokens,
	// and are not granted; the token response says what was (RFC 6749 §3.3).
	req, err := i.newRequest(ctx, c, scopeOpenID)
	if err != nil {
		return nil, err
	}
	if req.CodeChallenge, err = codeChallenge(c.form); err != nil {
		return nil, err
	}
	if req.ACRValues, err = parseACRValues(c.form["acr_values"]); err != nil {
		return nil, err
	}
	if c.form["dpop_jkt"] == "" && len(c.proofs) == 0 {
		return nil, refuse(http.StatusBadRequest, "invalid_request", "name the key that the tokens shall be bound to: send a DPoP header or dpop_jkt")
	}
	req.JKT, req.JKTProven, err = i.requestKey(ctx, c)
	return req, err
}

// refuseUnsupported refuses what RFC 6749 §3.1 would otherwise have us ignore,
// where ignoring it would give the client something else than it asked for.
func refuseUnsupported(f form) error {
	switch {
	case f["response_type"] == "":
		// FiPA §5.1: "REQUIRED … MUST contain the value of code".
		return refuse(http.StatusBadRequest, "invalid_request", "the parameter response_type is missing; it must be code")
	case f["response_type"] != "code":
		return refuse(http.StatusBadRequest, "unsupported_response_type", "response_type must be code")
	case f["request"] != "":
		return refuse(http.StatusBadRequest, "request_not_supported", "send the parameters themselves, not a request object")
	case f["request_uri"] != "":
		return refuse(http.StatusBadRequest, "request_uri_not_supported", "send the parameters themselves, not a reference to them")
	case f["claims"] != "":
		return refuse(http.StatusBadRequest, "invalid_request", "the claims parameter is not supported; ask for assurance with acr_values, which this issuer takes as essential")
	case slices.Contains(strings.Fields(f["prompt"]), "none"):
		return refuse(http.StatusBadRequest, "login_required", "every sign-in here takes a touch; use the session's refresh token where nobody can give one")
	}
	return nil
}

// finish answers the second request. The auth_session and its challenge are
// gone from here on, however the rest goes: every attempt costs a new one.
func (i *Issuer) finish(ctx context.Context, c *call) (reply, error) {
	authSession := secret.New(c.form["auth_session"])
	req, err := i.store.TakeRequest(ctx, HashOf(authSession))
	if errors.Is(err, ErrNotFound) {
		return reply{}, badSession()
	}
	if err != nil {
		return reply{}, fmt.Errorf("taking an authorization request: %w", err)
	}
	i.point("request taken")
	// FiPA §5.1: a client_id that is not the one the auth_session belongs to
	// "MUST" be rejected.
	if !i.now().Before(req.Expires) || req.ClientID != c.client.ID || req.Kind != kindChallenge {
		return reply{}, badSession()
	}
	if err := i.sameKey(ctx, c, req); err != nil {
		return reply{}, err
	}
	response, err := c.form.require("webauthn_response")
	if err != nil {
		return reply{}, err
	}
	p, err := i.rp.FinishSignIn(ctx, authSession, fido.PurposeSignIn, []byte(response))
	if err != nil {
		return reply{}, signInError(err)
	}
	i.point("proof verified")
	value, err := i.assure(ctx, c, req, p)
	if err != nil {
		return reply{}, err
	}
	code := newSecret()
	if err := i.begun(ctx, req, p, value, HashOf(code), i.now().Add(codeLifetime)); err != nil {
		return reply{}, err
	}
	return ok(codeBody{Code: code.Reveal()}), nil
}

// sameKey: "The authorization server MUST ensure that the same key is used in
// all subsequent Authorization Challenge Requests" (FiPA §9.5.1) once the first
// one proved a key.
func (i *Issuer) sameKey(ctx context.Context, c *call, req *Request) error {
	if len(c.proofs) == 0 && !req.JKTProven {
		return nil
	}
	p, err := verifyProof(c.proofs, http.MethodPost, c.url, i.now())
	if err != nil {
		return err
	}
	if p.jkt != req.JKT {
		return badProof("the DPoP proof is by another key than the first request's")
	}
	return i.spend(ctx, p)
}

func badSession() *refusal {
	return refuse(http.StatusBadRequest, "invalid_session", "this auth_session is unknown, expired, or used already; start again")
}
