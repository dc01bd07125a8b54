package oidc

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/lakekey/lakekey/internal/origin"
	"github.com/lakekey/lakekey/internal/secret"
)

// ExchangerOptions are the optional parts of an [Exchanger]; the zero value is
// right.
type ExchangerOptions struct {
	Transport http.RoundTripper // nil: one of its own, with time limits
	UserAgent string            // empty: "lakekey"
	Now       func() time.Time  // nil: time.Now
}

// Exchanger trades an ID token for an access token at one token endpoint that
// trusts the ID token's issuer (RFC 8693). It keeps no token.
type Exchanger struct {
	endpoint string
	wire     *wire
	now      func() time.Time
}

// ExchangeRequest is one exchange.
type ExchangeRequest struct {
	SubjectToken secret.Value // required: a JWT
	Scopes       []string     // required: what the token may be used for
	ClientID     string       // empty: the endpoint finds out from the token
	UserAgent    string       // empty: the Exchanger's
}

// Token is an access token.
type Token struct {
	Value   secret.Value
	Type    string   // always "Bearer"
	Scopes  []string // what it may be used for: never more than was asked
	Expires time.Time
}

// NewExchanger returns an Exchanger for the endpoint at that address. Subject
// tokens are sent there and nowhere else: redirects are not followed, and nothing
// is looked up. The address must be https, or on loopback.
func NewExchanger(tokenEndpoint string, o ExchangerOptions) (*Exchanger, error) {
	u, err := url.Parse(tokenEndpoint)
	if err != nil {
		return nil, errors.New("oidc: the token endpoint is not a URL")
	}
	if _, err := origin.Of(u); err != nil {
		return nil, fmt.Errorf("oidc: the token endpoint: %v", err)
	}
	if u.Fragment != "" || u.RawQuery != "" {
		return nil, errors.New("oidc: a token endpoint has no query and no fragment")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Exchanger{endpoint: tokenEndpoint, wire: newWire(o.Transport, o.UserAgent), now: o.Now}, nil
}

// Exchange trades r.SubjectToken. When the endpoint is busy (429, 503) it waits
// as long as the endpoint asks and tries again; anything else is tried once. All
// tries are begun within 10 s, because nobody is told that it waits: if the
// endpoint asks for longer, or ctx ends before, Exchange returns at once and the
// error's RetryAfter says how long to leave the endpoint alone.
//
// It returns [*ExchangeError] if the endpoint refuses or stays busy and ctx's
// error when ctx ends.
func (e *Exchanger) Exchange(ctx context.Context, r ExchangeRequest) (*Token, error) {
	if r.SubjectToken.IsZero() {
		return nil, errors.New("oidc: nothing to exchange: ExchangeRequest.SubjectToken is empty")
	}
	if err := checkScopes(r.Scopes); err != nil {
		return nil, err
	}
	form := url.Values{
		"grant_type":         {"urn:ietf:params:oauth:grant-type:token-exchange"},
		"subject_token":      {r.SubjectToken.Reveal()},
		"subject_token_type": {"urn:ietf:params:oauth:token-type:jwt"},
		"scope":              {strings.Join(r.Scopes, " ")},
	}
	if r.ClientID != "" {
		form.Set("client_id", r.ClientID)
	}
	header := http.Header{}
	if r.UserAgent != "" {
		header.Set("User-Agent", r.UserAgent)
	}
	var asked time.Time
	a, err := patient(ctx, e.now, time.Now().Add(maxPatience), func() (*answer, error) {
		asked = e.now()
		return e.wire.post(ctx, e.endpoint, form, header)
	})
	if err != nil {
		return nil, sealed(ctx, "exchanging the ID token", err)
	}
	if a.status != http.StatusOK {
		return nil, a.failure(tokenEndpoint, form, e.now())
	}
	t, err := parseToken(a.body, r.Scopes, asked)
	if err != nil {
		return nil, fmt.Errorf("oidc: the answer to the exchange: %v", err)
	}
	return t, nil
}

// scopeToken is one scope, RFC 6749 §3.3.
// https://www.rfc-editor.org/rfc/rfc6749#section-3.3
var scopeToken = regexp.MustCompile(`^[\x21\x23-\x5b\x5d-\x7e]+$`)

func checkScopes(scopes []string) error {
	if len(scopes) == 0 {
		return errors.New("oidc: ExchangeRequest.Scopes is empty: say what the token is for; there is no default")
	}
	for i, s := range scopes {
		if !scopeToken.MatchString(s) {
			return fmt.Errorf("oidc: %.80q is not a scope", s)
		}
		if slices.Contains(scopes[:i], s) {
			return fmt.Errorf("oidc: scope %.80q stands twice", s)
		}
	}
	return nil
}

// bearer is what may stand behind "Bearer " in a header, RFC 6750 §2.1.
// https://www.rfc-editor.org/rfc/rfc6750#section-2.1
var bearer = regexp.MustCompile(`^[A-Za-z0-9._~+/-]+=*$`)

// parseToken reads a response of RFC 8693 §2.2.1, for a request of wanted that
// was sent at asked.
// https://www.rfc-editor.org/rfc/rfc8693#section-2.2.1
func parseToken(body []byte, wanted []string, asked time.Time) (*Token, error) {
	m, err := parseObject(body)
	if err != nil {
		return nil, err
	}
	if kind, err := m.text("token_type"); err != nil || !strings.EqualFold(kind, "Bearer") {
		return nil, errors.New("token_type is not Bearer")
	}
	value, err := m.text("access_token")
	if err != nil || !bearer.MatchString(value) {
		return nil, errors.New("access_token is not a bearer token")
	}
	// Recommended by RFC 6749 §5.1 and required here: a token of unknown life
	// cannot be promised to be a short-lived one.
	lives, err := m.seconds("expires_in", true)
	if err != nil || lives <= 0 {
		return nil, errors.New("expires_in does not say how long the token lives")
	}
	granted, err := m.optional("scope")
	if err != nil {
		return nil, fmt.Errorf("scope: %v", err)
	}
	// RFC 6749 §5.1: "OPTIONAL, if identical to the scope requested by the
	// client; otherwise, REQUIRED".
	// https://www.rfc-editor.org/rfc/rfc6749#section-5.1
	scopes := slices.Clone(wanted)
	if granted != "" {
		scopes = strings.Split(granted, " ")
		for _, s := range scopes {
			if !slices.Contains(wanted, s) {
				return nil, fmt.Errorf("the token can do more than was asked: scope %.80q", clean(s))
			}
		}
	}
	return &Token{
		Value:   secret.New(value),
		Type:    "Bearer",
		Scopes:  scopes,
		Expires: asked.Add(time.Duration(min(lives, 366*24*3600)) * time.Second),
	}, nil
}
