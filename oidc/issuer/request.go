package issuer

import (
	"context"
	"encoding/base64"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lakekey/lakekey/fido"
)

const (
	scopeOpenID  = "openid"
	scopeProfile = "profile"
	scopeEmail   = "email"
)

// The kinds of a [Request]: what it waits for. One that waits for one thing is
// never taken for another.
const (
	kindChallenge = ""          // the assertion of a native program
	kindPushed    = "pushed"    // a browser that names it
	kindPage      = "page"      // a person on the page
	kindPost      = "post"      // the browser, to send its answer as a form
	kindDevice    = "device"    // a device that polls
	kindUserCode  = "user code" // somebody who types the device's code
	kindApproval  = "approval"  // who has typed it, on the page
)

// newRequest checks what every way to ask has in common.
func (i *Issuer) newRequest(ctx context.Context, c *call, scope string) (*Request, error) {
	// OpenID Connect Core §3.1.2.1.
	if !slices.Contains(strings.Fields(c.form["scope"]), scopeOpenID) {
		return nil, refuse(http.StatusBadRequest, "invalid_scope", "the scope must contain openid")
	}
	audience, allowed := i.audience(c.client, c.form["audience"])
	if !allowed {
		return nil, badAudience(c.client)
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
	return &Request{ClientID: c.client.ID, Scope: scope, Audience: audience, Nonce: c.form["nonce"], Created: i.now()}, nil
}

// codeChallenge reads the parameters of PKCE.
func codeChallenge(f form) (string, error) {
	challenge, err := f.require("code_challenge")
	if err != nil {
		return "", err
	}
	// RFC 7636 §4.3: without a method, plain is meant, which proves nothing to
	// whoever has seen the request.
	if sum, err := base64.RawURLEncoding.Strict().DecodeString(challenge); err != nil || len(sum) != 32 || f["code_challenge_method"] != "S256" {
		return "", refuse(http.StatusBadRequest, "invalid_request", "PKCE is required: code_challenge must be the base64url form of a SHA-256 hash and code_challenge_method must be S256")
	}
	return challenge, nil
}

// requestKey finds the DPoP key that the code will be bound to, if any is named: proven by a
// DPoP header (FiPA §9.5.1), named by dpop_jkt (RFC 9449 §10), or both, which
// must then agree (RFC 9449 §10.1).
func (i *Issuer) requestKey(ctx context.Context, c *call) (jkt string, proven bool, err error) {
	jkt = c.form["dpop_jkt"]
	if sum, err := base64.RawURLEncoding.Strict().DecodeString(jkt); jkt != "" && (err != nil || len(sum) != 32) {
		return "", false, refuse(http.StatusBadRequest, "invalid_request", "dpop_jkt is not an RFC 7638 SHA-256 thumbprint")
	}
	if len(c.proofs) == 0 {
		return jkt, false, nil // empty: the one that the code is redeemed with
	}
	p, err := verifyProof(c.proofs, http.MethodPost, c.url, i.now())
	if err != nil {
		return "", false, err
	}
	if jkt != "" && jkt != p.jkt {
		return "", false, badProof("the key of the DPoP proof is not the one that dpop_jkt names")
	}
	return p.jkt, true, i.spend(ctx, p)
}

// assure returns the acr of the proof, or refuses and leaves a record of it:
// that somebody tried with too weak a key is worth knowing.
func (i *Issuer) assure(ctx context.Context, c *call, req *Request, p *fido.Proof) (string, error) {
	value := acr(p, req.ACRValues)
	switch {
	case !p.UserPresent:
		return "", i.denied(ctx, c, req, p, unmet("nobody touched the key"))
	case req.Subject != "" && p.User.Name != req.Subject:
		return "", i.denied(ctx, c, req, p, refuse(http.StatusBadRequest, "login_required", "the person who signed in is not the one that was asked for"))
	case p.At.Before(req.Created.Add(-time.Second)):
		return "", i.denied(ctx, c, req, p, unmet("the touch is older than the request"))
	case value == "":
		return "", i.denied(ctx, c, req, p, unmet("the key is not proven to be hardware (acr phrh): register one whose attestation this issuer's operator has pinned"))
	}
	return value, nil
}

func newSession(req *Request, p *fido.Proof, value string) Session {
	return Session{
		ID:             newID(),
		ClientID:       req.ClientID,
		UserHandle:     p.User.Handle,
		UserName:       p.User.Name,
		CredentialID:   p.CredentialID,
		AAGUID:         p.Evidence.AAGUID.String(),
		Attestation:    p.Evidence.Verdict.String(),
		UserVerified:   p.UserVerified,
		Scope:          req.Scope,
		Audience:       req.Audience,
		Nonce:          req.Nonce,
		CodeChallenge:  req.CodeChallenge,
		JKT:            req.JKT,
		RedirectURI:    req.RedirectURI,
		Device:         req.Device != Hash{},
		IDClaims:       req.IDClaims,
		UserinfoClaims: req.UserinfoClaims,
		ACR:            value,
		AMR:            amr(p),
		AuthTime:       p.At,
		RefreshSeed:    newRefreshSeed(),
	}
}

func badAudience(c Client) *refusal {
	return refuse(http.StatusBadRequest, "invalid_target", "the client "+c.ID+" may not ask for this audience; ask the issuer's operator to add it, unless it is the issuer itself, for which there are no ID tokens")
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
