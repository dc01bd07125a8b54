package issuer

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lakekey/lakekey/fido"
	"github.com/lakekey/lakekey/internal/secret"
)

const scopeOpenID = "openid"

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

// authorize is the authorization challenge endpoint of OAuth 2.0 for
// First-Party Applications: the first request states what is asked for and gets
// a challenge, the second answers the challenge and gets a code.
// https://datatracker.ietf.org/doc/html/draft-ietf-oauth-first-party-apps-04#section-4.1
func (i *Issuer) authorize(r *http.Request, c *call) (reply, error) {
	i.sweep(r.Context())
	if c.form["auth_session"] != "" {
		return i.finish(r.Context(), c)
	}
	return i.begin(r.Context(), c)
}

// begin answers the first request: HTTP 403 with insufficient_authorization
// (FiPA §5.2.2.1).
func (i *Issuer) begin(ctx context.Context, c *call) (reply, error) {
	req, err := i.parseRequest(ctx, c)
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

// parseRequest checks everything that can be checked before the person is asked
// for a touch.
func (i *Issuer) parseRequest(ctx context.Context, c *call) (*Request, error) {
	if err := refuseUnsupported(c.form); err != nil {
		return nil, err
	}
	// OpenID Connect Core §3.1.2.1. Scopes beyond openid mean nothing here and
	// are not granted; the token response says what was (RFC 6749 §3.3).
	if !slices.Contains(strings.Fields(c.form["scope"]), scopeOpenID) {
		return nil, refuse(http.StatusBadRequest, "invalid_scope", "the scope must contain openid")
	}
	audience, allowed := i.audience(c.client, c.form["audience"])
	if !allowed {
		return nil, badAudience(c.client)
	}
	challenge, err := c.form.require("code_challenge")
	if err != nil {
		return nil, err
	}
	// RFC 7636 §4.3: without a method, plain is meant, which proves nothing to
	// whoever has seen the request.
	if sum, err := base64.RawURLEncoding.Strict().DecodeString(challenge); err != nil || len(sum) != 32 || c.form["code_challenge_method"] != "S256" {
		return nil, refuse(http.StatusBadRequest, "invalid_request", "PKCE is required: code_challenge must be the base64url form of a SHA-256 hash and code_challenge_method must be S256")
	}
	acrValues, err := parseACRValues(c.form["acr_values"])
	if err != nil {
		return nil, err
	}
	// Every sign-in here is a touch made for this very request, so any max_age
	// is met; it must only be one.
	if s := c.form["max_age"]; s != "" {
		if n, err := strconv.ParseInt(s, 10, 32); err != nil || n < 0 {
			return nil, refuse(http.StatusBadRequest, "invalid_request", "max_age is not a number of seconds")
		}
	}
	if len(c.form["nonce"]) > maxText {
		return nil, refuse(http.StatusBadRequest, "invalid_request", "the nonce is too long")
	}
	jkt, proven, err := i.requestKey(ctx, c)
	if err != nil {
		return nil, err
	}
	return &Request{
		ClientID:      c.client.ID,
		Scope:         scopeOpenID,
		Audience:      audience,
		Nonce:         c.form["nonce"],
		CodeChallenge: challenge,
		ACRValues:     acrValues,
		JKT:           jkt,
		JKTProven:     proven,
		Created:       i.now(),
	}, nil
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

// requestKey finds the DPoP key that the code will be bound to: proven by a
// DPoP header (FiPA §9.5.1), named by dpop_jkt (RFC 9449 §10), or both, which
// must then agree (RFC 9449 §10.1).
func (i *Issuer) requestKey(ctx context.Context, c *call) (jkt string, proven bool, err error) {
	jkt = c.form["dpop_jkt"]
	if sum, err := base64.RawURLEncoding.Strict().DecodeString(jkt); jkt != "" && (err != nil || len(sum) != 32) {
		return "", false, refuse(http.StatusBadRequest, "invalid_request", "dpop_jkt is not an RFC 7638 SHA-256 thumbprint")
	}
	if len(c.proofs) == 0 {
		if jkt == "" {
			return "", false, refuse(http.StatusBadRequest, "invalid_request", "name the key that the tokens shall be bound to: send a DPoP header or dpop_jkt")
		}
		return jkt, false, nil
	}
	p, err := verifyProof(c.proofs, c.url, i.now())
	if err != nil {
		return "", false, err
	}
	if jkt != "" && jkt != p.jkt {
		return "", false, badProof("the key of the DPoP proof is not the one that dpop_jkt names")
	}
	return p.jkt, true, i.spend(ctx, p)
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
	if !i.now().Before(req.Expires) || req.ClientID != c.client.ID {
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
	s := newSession(req, p, value)
	s.Code, s.CodeExpires = HashOf(code), i.now().Add(codeLifetime)
	s.Expires = s.AuthTime.Add(i.session)
	if err := i.store.AddSession(ctx, s); err != nil {
		return reply{}, fmt.Errorf("keeping a session: %w", err)
	}
	i.point("session kept")
	return ok(codeBody{Code: code.Reveal()}), nil
}

// sameKey: "The authorization server MUST ensure that the same key is used in
// all subsequent Authorization Challenge Requests" (FiPA §9.5.1) once the first
// one proved a key.
func (i *Issuer) sameKey(ctx context.Context, c *call, req *Request) error {
	if len(c.proofs) == 0 && !req.JKTProven {
		return nil
	}
	p, err := verifyProof(c.proofs, c.url, i.now())
	if err != nil {
		return err
	}
	if p.jkt != req.JKT {
		return badProof("the DPoP proof is by another key than the first request's")
	}
	return i.spend(ctx, p)
}

// assure returns the acr of the proof, or refuses and leaves a record of it:
// that somebody tried with too weak a key is worth knowing.
func (i *Issuer) assure(ctx context.Context, c *call, req *Request, p *fido.Proof) (string, error) {
	value := acr(p, req.ACRValues)
	switch {
	case !p.UserPresent:
		return "", i.denied(ctx, c, req, p, "nobody touched the key")
	case p.At.Before(req.Created.Add(-time.Second)):
		return "", i.denied(ctx, c, req, p, "the touch is older than the request")
	case value == "":
		return "", i.denied(ctx, c, req, p, "the key is not proven to be hardware (acr phrh): register one whose attestation this issuer's operator has pinned")
	}
	return value, nil
}

func newSession(req *Request, p *fido.Proof, value string) Session {
	return Session{
		ID:            newID(),
		ClientID:      req.ClientID,
		UserHandle:    p.User.Handle,
		UserName:      p.User.Name,
		CredentialID:  p.CredentialID,
		AAGUID:        p.Evidence.AAGUID.String(),
		Attestation:   p.Evidence.Verdict.String(),
		UserVerified:  p.UserVerified,
		Scope:         req.Scope,
		Audience:      req.Audience,
		Nonce:         req.Nonce,
		CodeChallenge: req.CodeChallenge,
		JKT:           req.JKT,
		ACR:           value,
		AMR:           amr(p),
		AuthTime:      p.At,
	}
}

func badAudience(c Client) *refusal {
	return refuse(http.StatusBadRequest, "invalid_target", "the client "+c.ID+" may not ask for this audience; ask the issuer's operator to add it, unless it is the issuer itself, for which there are no ID tokens")
}

func badSession() *refusal {
	return refuse(http.StatusBadRequest, "invalid_session", "this auth_session is unknown, expired, or used already; start again")
}

// sweep forgets what has expired, at most once a minute, on the endpoint that
// makes the store grow.
func (i *Issuer) sweep(ctx context.Context) {
	now, last := i.now(), i.swept.Load()
	if now.Unix()-last < int64(sweepEvery/time.Second) || !i.swept.CompareAndSwap(last, now.Unix()) {
		return
	}
	if err := i.store.Sweep(ctx, now); err != nil {
		i.log.WarnContext(ctx, "forgetting what has expired", "error", err)
	}
}
