package oidctest

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const deviceGrant = "urn:ietf:params:oauth:grant-type:device_code"

// push takes a request for the authorization endpoint, RFC 9126.
func (p *Provider) push(w http.ResponseWriter, r *http.Request) {
	f, ok := form(w, r)
	switch {
	case !ok:
		return
	case !p.options.Pushed:
		http.NotFound(w, r)
		return
	case p.has(FailingPush):
		fail(w, http.StatusInternalServerError, "server_error", "not today")
		return
	}
	name := "urn:ietf:params:oauth:request_uri:" + random()
	p.mu.Lock()
	p.pushed[name] = f
	p.mu.Unlock()
	body, _ := json.Marshal(map[string]any{"request_uri": name, "expires_in": 60}) // strings and a number
	write(w, http.StatusCreated, body)
}

// authorize is the authorization endpoint. Its person signs in without a page:
// the browser is sent back at once.
func (p *Provider) authorize(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	if p.options.Pushed {
		p.mu.Lock()
		pushed := p.pushed[q.Get("request_uri")]
		delete(p.pushed, q.Get("request_uri"))
		p.mu.Unlock()
		if pushed == nil || pushed.Get("client_id") != q.Get("client_id") || len(q) != 2 {
			fail(w, http.StatusBadRequest, "invalid_request", "the request must be pushed first")
			return
		}
		q = pushed
	}
	to, err := url.Parse(q.Get("redirect_uri"))
	if err != nil || to.Scheme != "http" || to.Hostname() != "127.0.0.1" && to.Hostname() != "localhost" && to.Hostname() != "::1" {
		fail(w, http.StatusBadRequest, "invalid_request", "redirect_uri is not registered")
		return
	}
	answer := url.Values{"state": {q.Get("state")}, "iss": {issuer(r)}}
	switch {
	case q.Get("response_type") != "code" || q.Get("client_id") == "" || !strings.HasPrefix(q.Get("scope")+" ", "openid "),
		q.Get("code_challenge") == "" || q.Get("code_challenge_method") != "S256" || q.Get("nonce") == "" || q.Get("state") == "",
		!p.options.Bearer && q.Get("dpop_jkt") == "":
		answer.Set("error", "invalid_request")
	case p.has(Denied):
		answer.Set("error", "access_denied")
		answer.Set("error_description", "<script>alert(1)</script> said no")
	default:
		answer.Set("code", p.signedIn(q))
	}
	switch {
	case p.has(OtherAnswerer):
		answer.Set("iss", p.options.Elsewhere)
	case p.has(NoAnswerer):
		answer.Del("iss")
	case p.has(NoCode):
		answer.Del("code")
	}
	to.RawQuery = answer.Encode()
	http.Redirect(w, r, to.String(), http.StatusFound)
}

// signedIn returns a code for whoever the login hint names.
func (p *Provider) signedIn(q url.Values) string {
	now := p.options.Now()
	l := &login{
		user: q.Get("login_hint"), client: q.Get("client_id"), audience: q.Get("audience"),
		acr: strings.Split(q.Get("acr_values"), " ")[0], codeChallenge: q.Get("code_challenge"), jkt: q.Get("dpop_jkt"),
		nonce: q.Get("nonce"), redirect: q.Get("redirect_uri"), at: now, ends: now.Add(p.options.SessionLifetime),
	}
	if l.user == "" {
		l.user = "alice@example.com"
	}
	code := random()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.codes[code] = l
	return code
}

// device is a device authorization, RFC 8628.
type device struct {
	login    *login
	userCode string
	decided  bool
	approved bool
	interval time.Duration
	polled   time.Time
	ends     time.Time
}

// device takes a device authorization request.
func (p *Provider) device(w http.ResponseWriter, r *http.Request) {
	f, ok := form(w, r)
	if !ok {
		return
	}
	now := p.options.Now()
	d := &device{
		userCode: strings.ToUpper(random()[:8]), interval: 5 * time.Second, ends: now.Add(10 * time.Minute), polled: now,
		login: &login{client: f.Get("client_id"), audience: f.Get("audience"), acr: strings.Split(f.Get("acr_values"), " ")[0]},
	}
	code := random()
	p.mu.Lock()
	p.devices[code] = d
	p.mu.Unlock()
	body, _ := json.Marshal(map[string]any{ // strings and numbers
		"device_code": code, "user_code": d.userCode, "expires_in": 600, "interval": 5,
		"verification_uri": issuer(r) + "/activate", "verification_uri_complete": issuer(r) + "/activate?user_code=" + d.userCode,
	})
	write(w, http.StatusOK, body)
}

// Decide is a person who enters a user code and approves, or does not.
func (p *Provider) Decide(userCode, user string, approve bool) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, d := range p.devices {
		if d.userCode == userCode && !d.decided {
			now := p.options.Now()
			d.decided, d.approved = true, approve
			d.login.user, d.login.at, d.login.ends = user, now, now.Add(p.options.SessionLifetime)
			return true
		}
	}
	return false
}

// poll answers a request of the device grant: a login, or an error code of
// RFC 8628 §3.5. The caller holds mu.
func (p *Provider) poll(f url.Values) (*login, string) {
	d, now := p.devices[f.Get("device_code")], p.options.Now()
	if d == nil || d.login.client != f.Get("client_id") || d.login.audience != f.Get("audience") {
		return nil, "invalid_grant"
	}
	early := now.Sub(d.polled) < d.interval
	d.polled = now
	switch {
	case !now.Before(d.ends):
		return nil, "expired_token"
	case early:
		d.interval += 5 * time.Second
		return nil, "slow_down"
	case !d.decided:
		return nil, "authorization_pending"
	}
	delete(p.devices, f.Get("device_code"))
	if !d.approved {
		return nil, "access_denied"
	}
	return d.login, ""
}
