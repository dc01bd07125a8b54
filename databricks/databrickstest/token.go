package databrickstest

import (
	"math"
	"net/http"
	"net/url"
	"slices"
	"time"
)

// The values of RFC 8693 that are known here.
const (
	grantTokenExchange = "urn:ietf:params:oauth:grant-type:token-exchange"
	typeJWT            = "urn:ietf:params:oauth:token-type:jwt"
	typeAccessToken    = "urn:ietf:params:oauth:token-type:access_token"
)

// unsupported are parameters that would change whom or what the token is for.
// RFC 6749 section 3.2 lets a server ignore parameters it does not know; it knows
// these well enough to know that ignoring them would give more than was asked for.
var unsupported = []string{
	"actor_token", "actor_token_type", "assertion", "assume_group", "authorization_details",
	"client_assertion", "client_assertion_type", "client_secret",
}

// workspaceToken is POST /oidc/v1/token.
func (w *Workspace) workspaceToken(a *answer, r *http.Request) { w.exchange(a, r, false) }

// accountToken is POST /oidc/accounts/{account}/v1/token.
func (w *Workspace) accountToken(a *answer, r *http.Request) {
	if r.PathValue("account") != w.accountID {
		a.oauthError(http.StatusNotFound, "invalid_request", "there is no account with this id here")
		return
	}
	w.exchange(a, r, true)
}

// exchange turns an identity provider's JWT into an access token: RFC 8693
// section 2, https://www.rfc-editor.org/rfc/rfc8693#section-2
func (w *Workspace) exchange(a *answer, r *http.Request, account bool) {
	if fault, ok := w.faults.tokenFault(); ok {
		fault.writeTo(a)
		return
	}
	form, ok := readForm(a, r)
	if !ok {
		return
	}
	scope := form.Get("scope")
	scopes, ok := parseScopes(scope)
	switch {
	case scope == "":
		a.oauthError(http.StatusBadRequest, "invalid_scope", "scope is missing: name what the token is for, such as clusters or all-apis")
		return
	case !ok:
		a.oauthError(http.StatusBadRequest, "invalid_scope", "scope holds a name or modifier that is not known, or one scope twice")
		return
	}
	who, expires, ok := w.authenticate(a, r, form)
	if !ok {
		return
	}
	a.principal = who.name
	if !account && !w.mayUseWorkspace(who) {
		a.oauthError(http.StatusBadRequest, "invalid_request", who.name+" is not assigned to this workspace")
		return
	}
	now := w.now()
	if limit := now.Add(maxTokenLifetime); expires.After(limit) {
		expires = limit
	}
	seconds := math.Floor(expires.Sub(now).Seconds())
	if seconds < 1 {
		a.oauthError(http.StatusBadRequest, "invalid_request", "subject_token expires within the second")
		return
	}
	token, ok := w.issue(grant{principal: who, scopes: scopes, expires: now.Add(time.Duration(seconds) * time.Second)})
	if !ok {
		a.Header().Set("Retry-After", "60")
		a.oauthError(http.StatusServiceUnavailable, "temporarily_unavailable", "too many tokens are alive")
		return
	}
	a.json(http.StatusOK, map[string]any{
		"access_token": token.Reveal(), "token_type": "Bearer", "issued_token_type": typeAccessToken,
		"expires_in": int64(seconds), "scope": scope,
	})
}

// readForm reads the parameters of a token request and checks those whose value
// is fixed. If they cannot be used, it has answered already.
func readForm(a *answer, r *http.Request) (url.Values, bool) {
	bad := func(status int, description string) { a.oauthError(status, "invalid_request", description) }
	if r.URL.RawQuery != "" {
		bad(http.StatusBadRequest, "parameters belong in the body: a URL ends up in logs")
		return nil, false
	}
	if r.Header.Get("Authorization") != "" {
		a.Header().Set("WWW-Authenticate", `Basic realm="databricks"`)
		a.oauthError(http.StatusUnauthorized, "invalid_client", "a token exchange takes no client authentication")
		return nil, false
	}
	body, ok := readBody(r, []string{"application/x-www-form-urlencoded"}, bad)
	if !ok {
		return nil, false
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		bad(http.StatusBadRequest, "the body is not form-urlencoded")
		return nil, false
	}
	for name, values := range form {
		// RFC 6749 section 3.2: "Request and response parameters MUST NOT be
		// included more than once."
		if len(values) > 1 {
			bad(http.StatusBadRequest, "a parameter is there more than once")
			return nil, false
		}
		// "Parameters sent without a value MUST be treated as if they were omitted".
		if values[0] == "" {
			form.Del(name)
		}
	}
	if form.Has("audience") || form.Has("resource") {
		a.oauthError(http.StatusBadRequest, "invalid_target", "audience and resource are not known here: the host is the target")
		return nil, false
	}
	if i := slices.IndexFunc(unsupported, form.Has); i >= 0 {
		bad(http.StatusBadRequest, unsupported[i]+" is not supported here")
		return nil, false
	}
	switch grantType := form.Get("grant_type"); grantType {
	case grantTokenExchange:
	case "":
		bad(http.StatusBadRequest, "grant_type is missing")
		return nil, false
	default:
		a.oauthError(http.StatusBadRequest, "unsupported_grant_type", "only "+grantTokenExchange+" is known here")
		return nil, false
	}
	switch {
	case form.Get("subject_token_type") != typeJWT:
		bad(http.StatusBadRequest, "subject_token_type must be "+typeJWT)
	case form.Has("requested_token_type") && form.Get("requested_token_type") != typeAccessToken:
		bad(http.StatusBadRequest, "requested_token_type can only be "+typeAccessToken)
	case !form.Has("subject_token"):
		bad(http.StatusBadRequest, "subject_token is missing")
	default:
		return form, true
	}
	return nil, false
}

// authenticate finds whom the subject token stands for and when it expires. If
// nobody, it has answered already.
func (w *Workspace) authenticate(a *answer, r *http.Request, form url.Values) (principal, time.Time, bool) {
	// RFC 8693 section 2.2.2: "if either the subject_token or actor_token are
	// invalid for any reason, or are unacceptable based on policy, […] The value of
	// the error parameter MUST be the invalid_request error code."
	refused := func(description string) (principal, time.Time, bool) {
		a.oauthError(http.StatusBadRequest, "invalid_request", description)
		return principal{}, time.Time{}, false
	}
	token, bad := readSubjectToken(form.Get("subject_token"))
	if bad != nil {
		return refused(bad.description)
	}
	w.mu.RLock()
	owner := ""
	var client *resource
	if form.Has("client_id") {
		client = w.directory.named(form.Get("client_id"))
		if client == nil || client.kind != kindServicePrincipal {
			w.mu.RUnlock()
			a.oauthError(http.StatusUnauthorized, "invalid_client", "client_id is not the application id of a service principal of this account")
			return principal{}, time.Time{}, false
		}
		owner = client.id
	}
	candidates := slices.DeleteFunc(w.policies.of(owner), func(p *policy) bool { return p.oidc.Issuer != token.issuer })
	w.mu.RUnlock()

	furthest := refuse(-1, "no federation policy trusts the issuer %.200q", token.issuer)
	for _, p := range candidates {
		subject, expires, bad := w.check(r.Context(), token, p)
		if bad != nil {
			if bad.step > furthest.step {
				furthest = bad
			}
			continue
		}
		who, ok := w.principalFor(client, subject)
		if !ok {
			return refused("subject_token's subject is no active user or service principal of this account")
		}
		return who, expires, true
	}
	return refused(furthest.description)
}

// principalFor maps an accepted subject to whom it stands for: the service
// principal that client_id names, or without one the user or service principal
// with that name. The directory may have changed since the policy was read.
func (w *Workspace) principalFor(client *resource, subject string) (principal, bool) {
	w.mu.RLock()
	defer w.mu.RUnlock()
	found := client
	if client == nil {
		found = w.directory.named(subject)
	}
	if found == nil {
		return principal{}, false
	}
	who := principal{kind: found.kind, id: found.id, name: found.name()}
	return who, w.directory.active(who)
}
