package issuer

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/lakekey/lakekey/internal/secret"
)

// pageLifetime is how long a person may take between two pages. RFC 6749 says
// nothing; the ceremony on the page has its own, shorter time.
const pageLifetime = 10 * time.Minute

// authorize is the authorization endpoint (OpenID Connect Core §3.1.2). It
// checks everything that can be checked before a person is asked for a touch,
// keeps the request, and sends the browser to the page where they are.
// https://openid.net/specs/openid-connect-core-1_0.html#AuthorizationEndpoint
func (i *Issuer) authorize(w http.ResponseWriter, r *http.Request) {
	i.sweep(r.Context())
	w.Header().Set("Cache-Control", "no-store")
	if !i.site.Unhurried(w, r) {
		return
	}
	f, err := readQuery(w, r)
	if err != nil {
		i.stay(w, r, err)
		return
	}
	c := &call{form: f, url: i.authorizeURL, remote: i.site.Remote(r)}
	to, req, err := i.authorization(r.Context(), c)
	if err == nil {
		var page string
		if page, err = i.keep(r.Context(), *req, kindPage, pageLifetime); err == nil {
			http.Redirect(w, r, i.pageURL+"?request="+page, http.StatusSeeOther)
			return
		}
	}
	// RFC 6749 §4.1.2.1: with a redirect URI that cannot be relied on "the
	// authorization server … MUST NOT automatically redirect the user-agent".
	if to == nil {
		i.stay(w, r, err)
		return
	}
	i.respond(w, r, *to, answer{err: err})
}

// authorization reads an authorization request. The target is nil unless it is
// certain where the answer, be it an error, may go.
func (i *Issuer) authorization(ctx context.Context, c *call) (*target, *Request, error) {
	id, err := c.form.require("client_id")
	if err != nil {
		return nil, nil, err
	}
	client, known := i.client(id)
	if !known {
		return nil, nil, refuse(http.StatusBadRequest, "invalid_client", "this client_id is not registered; ask the issuer's operator to add it")
	}
	c.client = client
	if uri := c.form["request_uri"]; uri != "" {
		req, err := i.pushed(ctx, client, uri)
		if err != nil {
			return nil, nil, err
		}
		to := req.target()
		return &to, req, nil
	}
	to, err := frontTarget(client, c.form)
	if to == nil || err != nil {
		return to, nil, err
	}
	if client.PushedOnly {
		return to, nil, refuse(http.StatusBadRequest, "invalid_request", "this client must push its requests (RFC 9126)")
	}
	req, err := i.frontRequest(ctx, c, *to)
	return to, req, err
}

// target is where the answer to an authorization request goes, and how.
type target struct {
	uri, state, mode string
}

const (
	modeQuery    = "query"
	modeFormPost = "form_post"
	maxState     = 4096
)

// frontTarget decides where answers go. With an error it may still return a
// target, which may then be told of it.
func frontTarget(client Client, f form) (*target, error) {
	uri, err := f.require("redirect_uri")
	if err != nil {
		return nil, err
	}
	if !redirectAllowed(client.RedirectURIs, uri) {
		return nil, refuse(http.StatusBadRequest, "invalid_request", "the redirect_uri is not one that is registered for "+client.title()+"; it is compared character by character, and only on 127.0.0.1 and [::1] is the port free")
	}
	to := &target{uri: uri, state: f["state"], mode: modeQuery}
	if len(to.state) > maxState {
		to.state = ""
		return to, refuse(http.StatusBadRequest, "invalid_request", "the state is longer than 4 KiB")
	}
	switch mode := f["response_mode"]; mode {
	case "", modeQuery:
	case modeFormPost:
		to.mode = mode
	default:
		return to, refuse(http.StatusBadRequest, "invalid_request", "response_mode must be query or form_post")
	}
	return to, nil
}

// frontRequest checks what a browser or a pushed request asks for.
func (i *Issuer) frontRequest(ctx context.Context, c *call, to target) (*Request, error) {
	if err := refuseObjects(c.form); err != nil {
		return nil, err
	}
	if t := c.form["response_type"]; t != "code" {
		return nil, refuse(http.StatusBadRequest, "unsupported_response_type", "response_type must be code")
	}
	choose, err := parsePrompt(c.form["prompt"])
	if err != nil {
		return nil, err
	}
	req, err := i.newRequest(ctx, c, grantedScope(c.form["scope"]))
	if err != nil {
		return nil, err
	}
	if req.CodeChallenge, err = codeChallenge(c.form); err != nil {
		return nil, err
	}
	if err := i.personal(ctx, c, req); err != nil {
		return nil, err
	}
	if choose {
		req.LoginHint = ""
	}
	req.RedirectURI, req.State, req.ResponseMode = to.uri, to.state, to.mode
	req.JKT, req.JKTProven, err = i.requestKey(ctx, c)
	return req, err
}

// personal reads what a request says about who signs in, how, and what the
// client wants to know about them.
func (i *Issuer) personal(ctx context.Context, c *call, req *Request) (err error) {
	if req.ACRValues, err = parseACRValues(c.form["acr_values"]); err != nil {
		return err
	}
	if req.LoginHint = c.form["login_hint"]; len(req.LoginHint) > maxText {
		return refuse(http.StatusBadRequest, "invalid_request", "the login_hint is too long")
	}
	if hint := c.form["id_token_hint"]; hint != "" {
		token, err := i.own(ctx, hint, typeIDToken)
		if err != nil && !errors.Is(err, errNotOwn) {
			return err
		}
		if err != nil {
			return refuse(http.StatusBadRequest, "invalid_request", "the id_token_hint is not an ID token of this issuer")
		}
		req.Subject = token.Subject
	}
	if s := c.form["claims"]; s != "" {
		a, err := parseClaims(s)
		if err != nil {
			return err
		}
		// acr_values is the voluntary way to ask for acr, claims the one that can
		// say more: it counts where there are both.
		if len(a.acr) > 0 {
			if req.ACRValues, err = provableACR(a.acr); err != nil {
				return err
			}
		}
		if a.subject != "" && req.Subject != "" && a.subject != req.Subject {
			return refuse(http.StatusBadRequest, "invalid_request", "the id_token_hint and the claims parameter ask for two different people")
		}
		if a.subject != "" {
			req.Subject = a.subject
		}
		req.IDClaims, req.UserinfoClaims = a.idToken, a.userinfo
	}
	return nil
}

// refuseObjects refuses parameters that would change what the others mean.
func refuseObjects(f form) error {
	switch {
	case f["request"] != "":
		return refuse(http.StatusBadRequest, "request_not_supported", "send the parameters themselves, or push them first (RFC 9126), not a request object")
	case f["request_uri"] != "":
		return refuse(http.StatusBadRequest, "request_uri_not_supported", "send the parameters themselves, not a reference to them")
	case f["registration"] != "":
		return refuse(http.StatusBadRequest, "registration_not_supported", "clients are registered by the issuer's operator")
	case f["resource"] != "":
		return refuse(http.StatusBadRequest, "invalid_target", "access tokens of this issuer are for itself; the ID token's audience is asked for with the parameter audience")
	}
	return nil
}

// parsePrompt reads prompt (OpenID Connect Core §3.1.2.1). A touch is made for
// every request, on a page that says for whom and what they learn: so login and
// consent are met by every sign-in, and none by no sign-in. choose: the page
// shall not name anybody.
func parsePrompt(s string) (choose bool, err error) {
	values := strings.Fields(s)
	for _, v := range values {
		switch v {
		case "none":
			if len(values) > 1 {
				return false, refuse(http.StatusBadRequest, "invalid_request", "the prompt none stands alone")
			}
			return false, refuse(http.StatusBadRequest, "login_required", "every sign-in here takes a touch; use the session's refresh token where nobody can give one")
		case "login", "consent":
		case "select_account":
			choose = true
		default:
			return false, refuse(http.StatusBadRequest, "invalid_request", "prompt must be none, login, consent or select_account")
		}
	}
	return choose, nil
}

// grantedScope is what there is of the scopes asked for. Others mean nothing
// here; the token response says what was granted (RFC 6749 §3.3).
func grantedScope(asked string) string {
	fields := strings.Fields(asked)
	var granted []string
	for _, s := range []string{scopeOpenID, scopeProfile, scopeEmail} {
		if slices.Contains(fields, s) {
			granted = append(granted, s)
		}
	}
	return strings.Join(granted, " ")
}

// keep stores a request under a new secret, which it returns.
func (i *Issuer) keep(ctx context.Context, req Request, kind string, lifetime time.Duration) (string, error) {
	id := newSecret()
	req.ID, req.Kind, req.Expires = HashOf(id), kind, i.now().Add(lifetime)
	if err := i.store.PutRequest(ctx, req); err != nil {
		return "", fmt.Errorf("keeping an authorization request: %w", err)
	}
	i.point("request kept")
	return id.Reveal(), nil
}

// errGone says that a request was answered, or never was, or is too old.
var errGone = errors.New("issuer: the request is unknown, answered or expired")

// pending looks at a request without taking it.
func (i *Issuer) pending(ctx context.Context, id, kind string) (*Request, error) {
	req, err := i.store.RequestByID(ctx, HashOf(secret.New(id)))
	return i.timely(req, err, kind)
}

// take takes a request: of many who try, one gets it.
func (i *Issuer) take(ctx context.Context, id, kind string) (*Request, error) {
	// A look first: what is of another kind is not used up by a mistake.
	if _, err := i.pending(ctx, id, kind); err != nil {
		return nil, err
	}
	req, err := i.store.TakeRequest(ctx, HashOf(secret.New(id)))
	return i.timely(req, err, kind)
}

func (i *Issuer) timely(req *Request, err error, kind string) (*Request, error) {
	switch {
	case errors.Is(err, ErrNotFound):
		return nil, errGone
	case err != nil:
		return nil, fmt.Errorf("reading an authorization request: %w", err)
	case req.Kind != kind || !i.now().Before(req.Expires):
		return nil, errGone
	}
	return req, nil
}

// readQuery reads the parameters of a GET from the URL and those of a POST from
// the body (OpenID Connect Core §3.1.2.1).
func readQuery(w http.ResponseWriter, r *http.Request) (form, error) {
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		if len(r.URL.RawQuery) > maxBody {
			return nil, refuse(http.StatusRequestURITooLong, "invalid_request", "the parameters are larger than 64 KiB")
		}
		return parseForm(r.URL.RawQuery)
	case http.MethodPost:
		return readForm(w, r)
	default:
		w.Header().Set("Allow", "GET, HEAD, POST")
		return nil, refuse(http.StatusMethodNotAllowed, "invalid_request", "this endpoint takes GET and POST")
	}
}

// answerURI adds parameters to a redirect URI, whose own it keeps (RFC 6749
// §4.1.2).
func answerURI(uri string, params url.Values) string {
	separator := "?"
	if strings.Contains(uri, "?") {
		separator = "&"
	}
	return uri + separator + params.Encode()
}

func (r *Request) target() target { return target{r.RedirectURI, r.State, r.ResponseMode} }
