package oidc

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/lakekey/lakekey/internal/origin"
)

// Options are the optional parts of [Discover]; the zero value is right.
type Options struct {
	Transport http.RoundTripper // nil: one of its own, with time limits
	UserAgent string            // empty: "lakekey"
	Now       func() time.Time  // nil: time.Now
}

// Provider is an issuer of ID tokens: where its endpoints are and which keys it
// signs with.
type Provider struct {
	issuer    string
	origin    string // what a security key signs for
	endpoints endpoints
	keys      *keySet
	wire      *wire
	clock     func() time.Time // nil: the machine's
}

// endpoints are where the issuer is asked for what, and what it can do there.
type endpoints struct {
	token, challenge, revocation, jwks, authorization, device, pushed string

	scopes      []string
	acrs        []string // acr_values_supported; empty: not said
	proofAlgs   []string // dpop_signing_alg_values_supported, RFC 9449 §5.1
	takesClaims bool     // claims_parameter_supported
	sendsIssuer bool     // authorization_response_iss_parameter_supported, RFC 9207 §3
}

// bindsKeys reports whether the issuer takes DPoP proofs of the kind we make.
func (p *Provider) bindsKeys() bool { return oneOf(p.endpoints.proofAlgs, string(jose.ES256)) }

// namesAudiences reports whether a request says whom the ID token is for: at
// lakekey's issuer always, elsewhere only if it is not the client, as issuers
// that know no such parameter refuse it or take it for something else.
func (p *Provider) namesAudiences(clientID, audience string) bool {
	return audience != clientID || p.endpoints.challenge != ""
}

// Discover reads the discovery document of issuer, which must be written exactly
// as the issuer itself writes it.
//
// Every endpoint that the document names must be on the issuer's origin: a
// document cannot send our secrets, or the question which keys are genuine, to
// somebody else.
func Discover(ctx context.Context, issuer string, o Options) (*Provider, error) {
	at, err := checkIssuer(issuer)
	if err != nil {
		return nil, err
	}
	p := &Provider{issuer: issuer, origin: at, wire: newWire(o.Transport, o.UserAgent), clock: o.Now}
	// OpenID Connect Discovery 1.0 §4: the issuer without its trailing slash,
	// then the well-known path.
	// https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderConfig
	body, err := p.wire.get(ctx, strings.TrimSuffix(issuer, "/")+"/.well-known/openid-configuration", maxDiscovery)
	if err != nil {
		return nil, sealed(ctx, "reading the discovery document of "+issuer, err)
	}
	if p.endpoints, err = parseDiscovery(body, issuer, at); err != nil {
		return nil, fmt.Errorf("oidc: the discovery document of %s: %v", issuer, err)
	}
	p.keys = newKeySet(p.wire, p.endpoints.jwks, p.clock)
	return p, nil
}

// Issuer returns the issuer's name, a URL.
func (p *Provider) Issuer() string { return p.issuer }

func (p *Provider) now() time.Time {
	if p.clock != nil {
		return p.clock()
	}
	return time.Now()
}

// checkIssuer returns the origin of an issuer.
func checkIssuer(issuer string) (string, error) {
	u, err := url.Parse(issuer)
	if err != nil || issuer == "" {
		return "", errors.New("oidc: the issuer is not a URL")
	}
	if u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
		return "", errors.New("oidc: an issuer has no query and no fragment")
	}
	at, err := origin.Of(u)
	if err != nil {
		return "", fmt.Errorf("oidc: the issuer: %v", err)
	}
	return at, nil
}

// parseDiscovery reads the metadata of RFC 8414 §2 that we use.
// https://www.rfc-editor.org/rfc/rfc8414#section-2
func parseDiscovery(body []byte, issuer, at string) (endpoints, error) {
	m, err := parseObject(body)
	if err != nil {
		return endpoints{}, err
	}
	// "The issuer value returned MUST be identical to the Issuer URL that was
	// used as the prefix": OpenID Connect Discovery 1.0 §4.3.
	// https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderConfigurationValidation
	if name, err := m.text("issuer"); err != nil || name != issuer {
		return endpoints{}, fmt.Errorf("it is that of another issuer, %.200q", name)
	}
	var e endpoints
	for member, to := range map[string]*string{
		"token_endpoint":                   &e.token,
		"authorization_challenge_endpoint": &e.challenge,
		"revocation_endpoint":              &e.revocation,
		"jwks_uri":                         &e.jwks,
		"authorization_endpoint":           &e.authorization,
		"device_authorization_endpoint":    &e.device,

		"pushed_authorization_request_endpoint": &e.pushed,
	} {
		if *to, err = m.optional(member); err != nil {
			return endpoints{}, fmt.Errorf("%s: %v", member, err)
		}
		if *to == "" {
			continue
		}
		if err := sameOrigin(*to, at); err != nil {
			return endpoints{}, fmt.Errorf("%s: %v", member, err)
		}
	}
	if e.jwks == "" {
		return endpoints{}, errors.New("it names no jwks_uri")
	}
	for member, to := range map[string]*[]string{"scopes_supported": &e.scopes, "acr_values_supported": &e.acrs, "dpop_signing_alg_values_supported": &e.proofAlgs} {
		if *to, err = m.texts(member); err != nil {
			return endpoints{}, fmt.Errorf("%s: %v", member, err)
		}
	}
	for member, to := range map[string]*bool{"claims_parameter_supported": &e.takesClaims, "authorization_response_iss_parameter_supported": &e.sendsIssuer} {
		if *to, err = m.flag(member); err != nil {
			return endpoints{}, fmt.Errorf("%s: %v", member, err)
		}
	}
	return e, nil
}

func sameOrigin(address, at string) error {
	u, err := url.Parse(address)
	if err != nil {
		return errors.New("not a URL")
	}
	to, err := origin.Of(u)
	if err != nil {
		return err
	}
	if to != at {
		return fmt.Errorf("%s is not the issuer's origin %s", to, at)
	}
	if u.Fragment != "" {
		return errors.New("an endpoint has no fragment")
	}
	return nil
}
