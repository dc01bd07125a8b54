package oidc

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/lakekey/lakekey/internal/secret"
)

// grant is what the token endpoint gave.
type grant struct {
	idToken, accessToken, refreshToken secret.Value

	sessionID   string
	sessionEnds time.Time // zero: not said
}

const tokenEndpoint = "token"

// grant asks the token endpoint, proving possession of the session's key unless
// there is none. A server that wants its nonce in the proof is answered once,
// RFC 9449 §8.
func (p *Provider) grant(ctx context.Context, proofs *prover, form url.Values) (*grant, error) {
	var asked time.Time
	send := func() (*answer, error) {
		asked = p.now()
		header, err := proofs.proof(http.MethodPost, p.endpoints.token, asked)
		if err != nil {
			return nil, err
		}
		return p.wire.post(ctx, p.endpoints.token, form, header)
	}
	try := send
	if form.Get("grant_type") == "refresh_token" { // a code is good for one try
		until := time.Now().Add(maxPatience) // also for the answer to a nonce
		try = func() (*answer, error) { return patient(ctx, p.now, until, send) }
	}
	a, err := try()
	if err == nil && proofs.learn(a.header) && a.status != http.StatusOK && a.failure(tokenEndpoint, form, asked).Code == "use_dpop_nonce" {
		a, err = try()
	}
	if err != nil {
		return nil, &unansweredError{sealed(ctx, "asking the issuer for a token", err)}
	}
	if a.status != http.StatusOK {
		return nil, a.failure(tokenEndpoint, form, p.now())
	}
	g, err := parseGrant(a.body, asked, proofs != nil)
	if err != nil {
		return nil, fmt.Errorf("oidc: the issuer's token response: %v", err)
	}
	return g, nil
}

// unansweredError is a request whose answer did not come: whether the issuer acted
// on it is not known.
type unansweredError struct{ error }

func (e *unansweredError) Unwrap() error { return e.error }

// sessionID is what may stand in a User-Agent and in a log.
var sessionID = regexp.MustCompile(`^[A-Za-z0-9._~-]{1,64}$`)

func parseGrant(body []byte, asked time.Time, bound bool) (*grant, error) {
	m, err := parseObject(body)
	if err != nil {
		return nil, err
	}
	// RFC 9449 §5: with any other type, the tokens are not bound to our key.
	// https://www.rfc-editor.org/rfc/rfc9449#section-5
	switch kind, err := m.text("token_type"); {
	case err != nil || bound && !strings.EqualFold(kind, "DPoP"):
		return nil, errors.New("token_type is not DPoP: the session would not be bound to its key")
	case !bound && !strings.EqualFold(kind, "Bearer"):
		return nil, errors.New("token_type is not Bearer, and the issuer did not say that it binds tokens to keys")
	}
	g := &grant{}
	for name, to := range map[string]*secret.Value{"id_token": &g.idToken, "access_token": &g.accessToken, "refresh_token": &g.refreshToken} {
		text, err := m.optional(name)
		if err != nil {
			return nil, fmt.Errorf("%s: %v", name, err)
		}
		*to = secret.New(text)
	}
	if g.sessionID, err = m.optional("session_id"); err != nil || g.sessionID != "" && !sessionID.MatchString(g.sessionID) {
		return nil, errors.New("session_id is not one")
	}
	if m.has("session_expires_in") {
		n, err := m.seconds("session_expires_in", true)
		if err != nil || n <= 0 {
			return nil, errors.New("session_expires_in is not a time to live")
		}
		g.sessionEnds = asked.Add(time.Duration(min(n, 366*24*3600)) * time.Second)
	}
	return g, nil
}
