package oidc

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/lakekey/lakekey/internal/secret"
	"github.com/lakekey/lakekey/oidc/assurance"
)

// SignInRequest says who asks and for what. The same request finds a session
// again that it began: see [Resume].
type SignInRequest struct {
	ClientID string // required: under which name the issuer knows this program

	// Audience is whom the first ID token is for; SignIn requires it. Empty: the
	// client itself, which is all that issuers other than lakekey's know: then
	// the federation policy of whoever takes the token must name the client's id.
	Audience string

	// LoginHint is the user name to sign in as; if the issuer tells the names of who
	// did and this is none of them, that is refused. Empty: whoever does, which
	// with a key needs a discoverable credential.
	LoginHint string

	// Assurance is what the ID token must prove about the sign-in: the profile of
	// package assurance for the issuer's kind. The zero value wants resistance to
	// phishing by the standard's words, acr phr or phrh and a key in amr. Only a
	// profile with an option called Insecure accepts less.
	Assurance assurance.Profile

	// Scopes are asked for beside openid, and offline_access where the issuer
	// has it, without which many issuers give nothing to renew a session with.
	// They decide about the issuer's own tokens, not about Databricks'.
	Scopes []string

	// Resource is the API that the issuer's access token is for (RFC 8707).
	// Empty: not said.
	Resource string

	// Lifetime is when a session ends whose issuer does not say when. Zero: after
	// 8 h. No session outlives a day, or what its issuer says.
	Lifetime time.Duration

	// LoginCommand goes into LoginRequiredError.Command: what a person is to run
	// when the session is over.
	LoginCommand string

	// RedirectURL is where the browser comes back to, of the form that is
	// registered with the issuer: on 127.0.0.1, [::1] or localhost, without a
	// port for any that is free (RFC 8252 §7.3). A program that signs in at
	// several issuers should register a path of its own for each. Empty:
	// http://127.0.0.1/callback.
	RedirectURL string

	// Patience is how long a person may take in the browser. Zero: 5 minutes.
	Patience time.Duration

	// Store keeps the session for other processes and later ones, which find it
	// with [Resume]; whether it can is found out before anybody is asked for
	// anything. A session that was kept for an equal request is ended. Nil: the
	// session is this process's, and gone with it.
	Store Store

	// InsecureDeviceGrant lets SignInDevice run. Whoever can make a person enter
	// a code, or follow a link, on the genuine page of the issuer gets the
	// session: what a phishing-resistant key keeps out at every other way.
	InsecureDeviceGrant bool
}

const (
	defaultLifetime = 8 * time.Hour
	scopeOpenID     = "openid"
	scopeOffline    = "offline_access"
)

func (r SignInRequest) acceptable() error {
	if r.ClientID == "" {
		return errors.New("oidc: SignInRequest.ClientID is empty: under which name does the issuer know this program?")
	}
	for _, s := range r.Scopes {
		if !scopeToken.MatchString(s) {
			return fmt.Errorf("oidc: SignInRequest.Scopes: %.80q is not a scope; give each as an element of its own", s)
		}
	}
	if err := r.Assurance.Refusal(); err != nil {
		return fmt.Errorf("oidc: SignInRequest.Assurance: %w", err)
	}
	return nil
}

// audience is whom the first ID token is for.
func (r SignInRequest) audience() string {
	if r.Audience == "" {
		return r.ClientID
	}
	return r.Audience
}

// attempt is one sign-in under way, whatever the way.
type attempt struct {
	provider *Provider
	request  SignInRequest
	wanted   url.Values // what asks for the assurance
	native   bool
	prover   *prover      // nil where the issuer binds nothing to a key
	verifier secret.Value // PKCE, RFC 7636
	nonce    string       // empty where nothing carries one
	started  time.Time
	kept     *kept // nil: nowhere
}

// begin checks what can be wrong before a person is asked for anything.
func begin(ctx context.Context, p *Provider, r SignInRequest, native bool) (*attempt, error) {
	if err := r.acceptable(); err != nil {
		return nil, err
	}
	wanted, err := p.demands(r.Assurance, native)
	if err != nil {
		return nil, err
	}
	a := &attempt{provider: p, request: r, wanted: wanted, native: native, verifier: secret.New(random(32)), started: p.now()}
	if r.Store != nil {
		a.kept = &kept{store: r.Store, name: r.entryName(p.issuer)}
		if err := a.kept.reserve(ctx); err != nil {
			return nil, err
		}
	}
	if native || p.bindsKeys() {
		if a.prover, err = newProver(); err != nil {
			return nil, err
		}
	}
	return a, nil
}

// demands are the parameters that ask an issuer for what a sign-in must prove.
func (p *Provider) demands(profile assurance.Profile, native bool) (url.Values, error) {
	if !native {
		v, err := profile.Parameters(assurance.Support{ACRs: p.endpoints.acrs, Claims: p.endpoints.takesClaims})
		if err != nil {
			return nil, fmt.Errorf("oidc: asking %s for a sign-in: %w", p.issuer, err)
		}
		return v, nil
	}
	v, err := profile.Parameters(assurance.Support{})
	if err != nil {
		return nil, fmt.Errorf("oidc: asking %s for a sign-in: %w", p.issuer, err)
	}
	v.Del("max_age") // a key that is touched now is as fresh as can be
	if len(strings.Fields(v.Get("acr_values"))) > 1 {
		v.Del("acr_values") // the issuer says the strongest that it can, unasked
	}
	return v, nil
}

// parameters are those of a request for a person to sign in.
func (a *attempt) parameters() url.Values {
	p, r := a.provider, a.request
	v := url.Values{"client_id": {r.ClientID}, "scope": {strings.Join(a.scopes(), " ")}}
	if audience := r.audience(); p.namesAudiences(r.ClientID, audience) {
		v.Set("audience", audience)
	}
	if r.Resource != "" {
		v.Set("resource", r.Resource)
	}
	if r.LoginHint != "" {
		v.Set("login_hint", r.LoginHint)
	}
	maps.Copy(v, a.wanted)
	return v
}

// scopes are those to ask for. OpenID Connect Core 1.0 §11: offline_access is for
// a refresh token.
// https://openid.net/specs/openid-connect-core-1_0.html#OfflineAccess
func (a *attempt) scopes() []string {
	scopes := []string{scopeOpenID}
	if !a.native && slices.Contains(a.provider.endpoints.scopes, scopeOffline) {
		scopes = append(scopes, scopeOffline)
	}
	for _, s := range a.request.Scopes {
		if !slices.Contains(scopes, s) {
			scopes = append(scopes, s)
		}
	}
	return scopes
}

// codeChallenge is S256 of RFC 7636 §4.2.
func (a *attempt) codeChallenge() string {
	sum := sha256.Sum256([]byte(a.verifier.Reveal()))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// secrets are what a server must not be able to put into an error.
func (a *attempt) secrets() []string { return []string{a.verifier.Reveal(), a.nonce} }

// form is the beginning of a request for tokens.
func (a *attempt) form(grantType string) url.Values {
	r := a.request
	form := url.Values{"grant_type": {grantType}, "client_id": {r.ClientID}}
	if audience := r.audience(); a.provider.namesAudiences(r.ClientID, audience) {
		form.Set("audience", audience)
	}
	if r.Resource != "" {
		form.Set("resource", r.Resource)
	}
	return form
}

// finish trades what the sign-in brought for tokens, and starts the session.
func (a *attempt) finish(ctx context.Context, form url.Values) (*Session, error) {
	g, err := a.provider.grant(ctx, a.prover, form)
	if err != nil {
		return nil, err
	}
	return a.start(ctx, g)
}

// start checks what the issuer gave.
func (a *attempt) start(ctx context.Context, g *grant) (*Session, error) {
	if g.idToken.IsZero() {
		return nil, errors.New("oidc: the issuer's token response holds no id_token")
	}
	token, err := a.provider.verify(ctx, g.idToken, expectation{
		audience: a.request.audience(), clientID: a.request.ClientID, profile: a.request.Assurance, asked: a.started, accessToken: g.accessToken, nonce: a.nonce,
	})
	if err != nil {
		return nil, err
	}
	hint := a.request.LoginHint
	called := func(name string) bool { return strings.EqualFold(name, hint) }
	if hint != "" && len(token.names) > 0 && !slices.ContainsFunc(token.names, called) {
		// A hint is one: the page lets a person choose. The program asked for this
		// account, and the session would be found again under its name.
		return nil, refuse("sub", "%q signed in, and %q was asked for", clean(token.names[0]), clean(hint))
	}
	s, err := newSession(a, g, token)
	if err != nil || a.kept == nil {
		return s, err
	}
	if err := s.keep(ctx, a.kept, token); err != nil {
		// Or it would live on where nobody can end it; ctx may be over, too.
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), attemptTime)
		defer cancel()
		_ = s.Close(last)
		return nil, err
	}
	return s, nil
}
