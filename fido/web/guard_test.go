package web_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/authenticator"
	"github.com/lakekey/lakekey/authenticator/softkey"
	"github.com/lakekey/lakekey/fido"
	"github.com/lakekey/lakekey/fido/web"
)

// caller is somebody with a key and cookies, who needs no browser.
type caller struct {
	t       *testing.T
	s       *site
	client  *authenticator.Client
	cookies map[string]string
}

// caller registers a key for user and signs in with it.
func (s *site) caller(t *testing.T, user string, groups ...string) *caller {
	t.Helper()
	key, err := softkey.New(softkey.Options{PIN: []byte("123456")})
	require.NoError(t, err)
	c := &caller{t, s, authenticator.NewClient(authenticator.Devices(authenticator.NewCTAP2(key, authenticator.Descriptor{})), authenticator.Options{UI: pinUI{"123456"}}), map[string]string{}}
	_, invite, _ := strings.Cut(s.invite(t, user, groups...), "#")
	begun := c.must("/enroll/options", map[string]any{"invite": invite})
	response, err := c.client.Create(t.Context(), s.url, []byte(quote(t, begun["options"])))
	require.NoError(t, err)
	c.must("/enroll/credential", map[string]any{"ceremony": begun["ceremony"], "response": json.RawMessage(response)})
	c.signIn("/signin")
	return c
}

// signIn signs in and returns where that leads.
func (c *caller) signIn(path string) string {
	c.t.Helper()
	begun := c.must(path, map[string]any{"step": "options"})
	return c.must(path, c.finish(begun))["location"].(string)
}

// confirm does a step-up.
func (c *caller) confirm() {
	c.t.Helper()
	c.must("/stepup", c.finish(c.must("/stepup", map[string]any{"step": "options"})))
}

// finish answers a challenge with the key.
func (c *caller) finish(begun map[string]any) map[string]any {
	c.t.Helper()
	response, err := c.client.Get(c.t.Context(), c.s.url, []byte(quote(c.t, begun["options"])))
	require.NoError(c.t, err)
	return map[string]any{"step": "finish", "ceremony": begun["ceremony"], "response": json.RawMessage(response)}
}

func (c *caller) must(path string, body any) map[string]any {
	c.t.Helper()
	status, answer := c.post(path, body)
	require.Equal(c.t, http.StatusOK, status, "%s: %v", path, answer)
	return answer
}

// says posts, and returns the status and the error's code.
func (c *caller) says(path string, body any) (int, string) {
	c.t.Helper()
	status, answer := c.post(path, body)
	code, _ := answer["error"].(string)
	return status, code
}

func (c *caller) post(path string, body any) (int, map[string]any) {
	c.t.Helper()
	res := c.do(http.MethodPost, path, quote(c.t, body))
	var answer map[string]any
	require.NoError(c.t, json.Unmarshal(res.body, &answer), "%s", res.body)
	return res.status, answer
}

type result struct {
	status int
	header http.Header
	body   []byte
}

func (c *caller) do(method, path, body string, headers ...string) result {
	c.t.Helper()
	req, err := http.NewRequestWithContext(c.t.Context(), method, c.s.url+path, strings.NewReader(body))
	require.NoError(c.t, err)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for name, value := range c.cookies {
		req.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "Host" {
			req.Host = headers[i+1]
		}
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
	require.NoError(c.t, err)
	defer func() { _ = res.Body.Close() }()
	for _, cookie := range res.Cookies() {
		c.cookies[cookie.Name] = cookie.Value
	}
	text, err := io.ReadAll(res.Body)
	require.NoError(c.t, err)
	return result{res.StatusCode, res.Header, text}
}

// stranger has no key and has not signed in.
func (s *site) stranger(t *testing.T) *caller {
	return &caller{t: t, s: s, cookies: map[string]string{}}
}

var (
	gets  = []string{"/", "/enroll", "/signin", "/keys", "/admin", "/admin/people", "/admin/keys", "/admin/trail", "/admin/invite", "/nothing", "/assets/page.js", "/.well-known/webauthn", "/.well-known/passkey-endpoints"}
	posts = []string{
		"/enroll/options", "/enroll/credential", "/signin", "/signout", "/stepup", "/keys/options", "/keys/credential", "/keys/rename", "/keys/revoke", "/keys/lost", "/keys/recovery",
		"/admin/approve", "/admin/deny", "/admin/quarantine", "/admin/release", "/admin/revoke", "/admin/block", "/admin/unblock", "/admin/withdraw", "/admin/withdraw-codes", "/admin/groups", "/admin/invite",
	}
)

// Whatever is asked, and by whomever: other hosts and other sites get nothing, and
// every answer forbids what no page needs.
func TestEveryAnswerIsGuarded(t *testing.T) {
	s := newSite(t, options{})
	for name, c := range map[string]*caller{"stranger": s.stranger(t), "administrator": s.caller(t, ada, "admins")} {
		before := c.cookies
		for _, path := range append(gets, posts...) {
			method, body := http.MethodGet, ""
			if !strings.Contains(strings.Join(gets, " ")+" ", path+" ") {
				method, body = http.MethodPost, "{}"
			}
			require.Equal(t, http.StatusMisdirectedRequest, c.do(method, path, body, "Host", "evil.example").status, "%s: %s", name, path)
			if method == http.MethodPost {
				for _, foreign := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "https://evil.example"}, {"Origin", "null"}} {
					require.Equal(t, http.StatusForbidden, c.do(method, path, body, foreign...).status, "%s: %s from %v", name, path, foreign)
				}
				require.Contains(t, []int{http.StatusUnsupportedMediaType, http.StatusUnauthorized, http.StatusForbidden, http.StatusOK},
					c.do(method, path, body, "Content-Type", "text/plain").status, "%s: %s", name, path)
			}
			h := c.do(method, path, body).header
			policy := h.Get("Content-Security-Policy")
			for _, want := range []string{"default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"} {
				require.Contains(t, policy, want, path)
			}
			require.NotContains(t, policy, "unsafe")
			require.Equal(t, "nosniff", h.Get("X-Content-Type-Options"), path)
			require.Equal(t, "DENY", h.Get("X-Frame-Options"), path)
			require.Equal(t, "no-referrer", h.Get("Referrer-Policy"), path)
			require.Empty(t, h.Get("Access-Control-Allow-Origin"), path)
			c.cookies = before
		}
	}
}

// What a page must not have runs nowhere: nothing is inline.
func TestNothingIsInline(t *testing.T) {
	s := newSite(t, options{})
	c := s.caller(t, ada, "admins")
	for _, path := range gets[1:9] {
		page := string(c.do(http.MethodGet, path, "").body)
		require.NotRegexp(t, `(?i)<style|\sstyle=|\son[a-z]+=|javascript:|<script[^>]*>[^<]`, page, path)
	}
}

// A stranger does not learn who works here or which keys they have: neither from
// the status nor from the text nor from the length of an answer.
func TestStrangersFindNothingOut(t *testing.T) {
	s := newSite(t, options{})
	c := s.caller(t, ada)
	s.caller(t, grace)
	_, err := s.rp.Revoke(t.Context(), s.keys(t, grace)[0].ID, fido.Act{By: "admin", Rationale: "left"})
	require.NoError(t, err)
	_, err = s.rp.Invite(t.Context(), "invited@example.com", time.Hour)
	require.NoError(t, err)
	stranger := s.stranger(t)
	ask := func(user string) (result, map[string]any) {
		res := stranger.do(http.MethodPost, "/signin", quote(t, map[string]any{"step": "options", "user": user}))
		require.Equal(t, http.StatusOK, res.status, "%s", res.body)
		var answer map[string]any
		require.NoError(t, json.Unmarshal(res.body, &answer))
		return res, answer
	}
	known, shape := ask(ada)
	for _, user := range []string{grace, "invited@example.com", "nobody@example.com", "someone-with-a-much-longer-name@research.example.com"} {
		res, answer := ask(user)
		require.Len(t, res.body, len(known.body), user)
		require.Equal(t, len(known.header), len(res.header), user)
		require.Equal(t, members(answer["options"]), members(shape["options"]), user)
		allowed := answer["options"].(map[string]any)["allowCredentials"].([]any)
		require.NotEmpty(t, allowed, user)
		_, again := ask(user)
		require.Equal(t, allowed, again["options"].(map[string]any)["allowCredentials"], "made up, but the same each time: %s", user)
	}

	// An answer with a credential that nobody has, and one whose signature is not
	// right, are refused with the same words.
	good := c.finish(c.must("/signin", map[string]any{"step": "options"}))
	var refusals []result
	for _, spoil := range []func(response map[string]any){
		func(r map[string]any) {
			r["id"], r["rawId"] = b64([]byte("nobody's credential")), b64([]byte("nobody's credential"))
		},
		func(r map[string]any) {
			inner := r["response"].(map[string]any)
			inner["signature"] = b64([]byte("no signature"))
		},
		func(r map[string]any) { r["response"].(map[string]any)["userHandle"] = b64([]byte("somebody else")) },
	} {
		_, begun := ask(ada)
		var response map[string]any
		require.NoError(t, json.Unmarshal(good["response"].(json.RawMessage), &response))
		spoil(response)
		refusals = append(refusals, stranger.do(http.MethodPost, "/signin", quote(t, map[string]any{"step": "finish", "ceremony": begun["ceremony"], "response": response})))
	}
	for _, r := range refusals {
		require.Equal(t, http.StatusBadRequest, r.status)
		require.Equal(t, string(refusals[0].body), string(r.body))
	}
}

// members are the names in an object, which is what shows without knowing more.
func members(v any) []string {
	var names []string
	for name := range v.(map[string]any) {
		names = append(names, name)
	}
	return slices.Sorted(slices.Values(names))
}

func TestLimits(t *testing.T) {
	s := newSite(t, options{web: func(c *web.Config) {
		c.Limits = web.Limits{AddressPerMinute: 60, AddressBurst: 30, AccountPerMinute: 6, AccountBurst: 3}
		c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
	}})
	c := s.stranger(t)
	ask := func(from, user string) result {
		return c.do(http.MethodPost, "/signin", quote(t, map[string]any{"step": "options", "user": user}), "X-Forwarded-For", from)
	}
	for range 3 {
		require.Equal(t, http.StatusOK, ask("203.0.113.1", ada).status)
	}
	// Others have used the account's up, in any spelling; its owner elsewhere gets through.
	for range 4 {
		require.Equal(t, http.StatusOK, ask("203.0.113.1", "ADA@example.com").status, "the spare of an address")
	}
	refused := ask("203.0.113.1", ada)
	require.Equal(t, http.StatusTooManyRequests, refused.status)
	require.NotEmpty(t, refused.header.Get("Retry-After"))
	require.Equal(t, http.StatusOK, ask("203.0.113.99", ada).status)
	// A name that nobody has is limited as one that somebody has.
	for range 7 {
		require.Equal(t, http.StatusOK, ask("203.0.113.2", "nobody@example.com").status)
	}
	require.Equal(t, len(refused.body), len(ask("203.0.113.2", "nobody@example.com").body))
	s.clock.move(time.Minute)
	require.Equal(t, http.StatusOK, ask("203.0.113.1", ada).status)

	// An address: what stands in the header before a trusted proxy's word counts for
	// nothing, and a network of IPv6 is one address.
	for n := range 30 {
		require.Equal(t, http.StatusOK, ask("198.51.100."+string(rune('0'+n%10))+", 2001:db8::"+string(rune('a'+n%6)), "").status)
	}
	require.Equal(t, http.StatusTooManyRequests, ask("2001:db8::ffff", "").status)
	require.Equal(t, http.StatusOK, ask("2001:db8:0:1::1", "").status)
}

func TestSessions(t *testing.T) {
	s := newSite(t, options{})
	c := s.caller(t, ada)
	get := func() int { return c.do(http.MethodGet, "/keys", "").status }
	require.Equal(t, http.StatusOK, get())

	res := c.do(http.MethodPost, "/signin", quote(t, c.finish(c.must("/signin", map[string]any{"step": "options"}))))
	cookie := res.header.Get("Set-Cookie")
	require.Contains(t, cookie, "HttpOnly")
	require.Contains(t, cookie, "SameSite=Strict")
	require.NotContains(t, cookie, b64([]byte(ada)))

	// No byte of the cookie can be changed.
	for name, value := range c.cookies {
		for i := range value {
			forged := []byte(value)
			if forged[i]++; i == len(value)-1 {
				forged = forged[:i]
			}
			c.cookies[name] = string(forged)
			require.Equal(t, http.StatusSeeOther, get(), "byte %d", i)
			c.cookies[name] = value
		}
	}
	// Nor is that of another site of any use, whose name and keys are the same.
	other := newSite(t, options{}).caller(t, ada)
	for _, value := range other.cookies {
		for name, mine := range c.cookies {
			c.cookies[name] = value
			require.Equal(t, http.StatusSeeOther, get())
			c.cookies[name] = mine
		}
	}

	// It ends without use, and after a day's work with any.
	s.clock.move(15 * time.Minute)
	require.Equal(t, http.StatusSeeOther, get())
	c.signIn("/signin")
	for range 12*6 - 1 {
		s.clock.move(10 * time.Minute)
		require.Equal(t, http.StatusOK, get())
	}
	s.clock.move(10 * time.Minute)
	require.Equal(t, http.StatusSeeOther, get())

	// It ends with its key, and with its owner's right to be here.
	c.signIn("/signin")
	u, err := s.rp.UserByName(t.Context(), ada)
	require.NoError(t, err)
	_, err = s.rp.Block(t.Context(), u.Handle, fido.Act{By: "admin", Rationale: "left"})
	require.NoError(t, err)
	status, code := c.says("/keys/rename", map[string]any{})
	require.Equal(t, http.StatusUnauthorized, status)
	require.Equal(t, "signed_out", code)
}

// A sign-in leads to this site, whatever the link that began it says.
func TestNext(t *testing.T) {
	s := newSite(t, options{})
	c := s.caller(t, ada)
	for next, want := range map[string]string{
		"":                             "/keys",
		"/admin/trail?q=a":             "/admin/trail?q=a",
		"https://evil.example/":        "/keys",
		"//evil.example/":              "/keys",
		"/\\evil.example":              "/keys",
		"/%09/evil.example":            "/keys",
		"javascript:alert(1)":          "/keys",
		"/%5Cevil.example":             "/keys",
		"http:evil.example":            "/keys",
		"/\tevil":                      "/keys",
		"/keys#https://evil.example":   "/keys",
		"\x00//evil.example":           "/keys",
		"https:/keys":                  "/keys",
		"/..//evil.example":            "/keys",
		"/keys/..//..//evil.example/x": "/keys",
	} {
		got := c.signIn("/signin?next=" + url.QueryEscape(next))
		require.True(t, strings.HasPrefix(got, "/") && !strings.HasPrefix(got, "//") && !strings.Contains(got, "\\"), "%q leads to %q", next, got)
		if !strings.Contains(next, "..") && !strings.Contains(next, "%") {
			require.Equal(t, want, got, "%q", next)
		}
	}
}

// People act on their own keys, administrators on others', and what is grave wants
// the key once more.
func TestWhoMayWhat(t *testing.T) {
	s := newSite(t, options{})
	a, g, boss := s.caller(t, ada), s.caller(t, grace), s.caller(t, "boss@example.com", "admins")
	hers := b64(s.keys(t, ada)[0].ID)
	adas, err := s.rp.UserByName(t.Context(), ada)
	require.NoError(t, err)
	named := func(more ...string) map[string]any {
		m := map[string]any{"credential": hers, "rationale": "because", "name": "Mine", "user": b64(adas.Handle)}
		for i := 0; i < len(more); i += 2 {
			m[more[i]] = more[i+1]
		}
		return m
	}
	g.confirm()
	for _, act := range []string{"rename", "revoke", "lost"} {
		status, code := g.says("/keys/"+act, named())
		require.Equal(t, http.StatusNotFound, status, act)
		require.Equal(t, "not_found", code, act)
	}
	for _, act := range []string{"approve", "deny", "quarantine", "release", "revoke", "block", "unblock", "withdraw", "withdraw-codes", "groups", "invite"} {
		status, _ := g.says("/admin/"+act, named())
		require.Equal(t, http.StatusForbidden, status, act)
		status, code := s.stranger(t).says("/admin/"+act, named())
		require.Equal(t, http.StatusUnauthorized, status, act)
		require.Equal(t, "signed_out", code, act)
	}
	for _, path := range gets[4:9] {
		require.Equal(t, http.StatusForbidden, g.do(http.MethodGet, path, "").status, path)
		require.Equal(t, http.StatusSeeOther, s.stranger(t).do(http.MethodGet, path, "").status, path)
	}
	require.Equal(t, fido.StateActive, s.keys(t, ada)[0].State)

	s.clock.move(5 * time.Minute)
	for _, c := range []struct {
		who  *caller
		path string
	}{{a, "/keys/options"}, {a, "/keys/revoke"}, {a, "/keys/lost"}, {a, "/keys/recovery"}, {boss, "/admin/block"}, {boss, "/admin/unblock"}, {boss, "/admin/groups"}, {boss, "/admin/invite"}} {
		status, code := c.who.says(c.path, named())
		require.Equal(t, http.StatusForbidden, status, c.path)
		require.Equal(t, "step_up_required", code, c.path)
	}
	// A step-up is one's own.
	begun := a.must("/stepup", map[string]any{"step": "options"})
	response, err := g.client.Get(t.Context(), s.url, withoutAllowed(t, begun["options"]))
	require.NoError(t, err)
	status, _ := a.says("/stepup", map[string]any{"step": "finish", "ceremony": begun["ceremony"], "response": json.RawMessage(response)})
	require.GreaterOrEqual(t, status, 400)
	status, code := a.says("/keys/recovery", map[string]any{})
	require.Equal(t, http.StatusForbidden, status)
	require.Equal(t, "step_up_required", code)
	a.confirm()
	require.Len(t, a.must("/keys/recovery", map[string]any{})["codes"], 10)
}

// An enrolment link that was sent to the wrong place is taken back.
func TestLinksAreWithdrawn(t *testing.T) {
	s := newSite(t, options{})
	boss := s.caller(t, "boss@example.com", "admins")
	boss.confirm()
	_, invite, _ := strings.Cut(boss.must("/admin/invite", map[string]any{"user": ada, "rationale": "new"})["link"].(string), "#")
	u, err := s.rp.UserByName(t.Context(), ada)
	require.NoError(t, err)
	boss.must("/admin/withdraw", map[string]any{"user": b64(u.Handle), "rationale": "sent to the wrong address"})
	status, code := s.stranger(t).says("/enroll/options", map[string]any{"invite": invite})
	require.Equal(t, http.StatusBadRequest, status)
	require.Equal(t, "invalid_invite", code)
	require.Contains(t, s.events(t, ada), "invite.withdrawn")
}

// withoutAllowed are options that any key answers.
func withoutAllowed(t *testing.T, options any) []byte {
	t.Helper()
	o := options.(map[string]any)
	delete(o, "allowCredentials")
	return []byte(quote(t, o))
}

// A hostile name is shown as what it is.
func TestNamesAreText(t *testing.T) {
	s := newSite(t, options{})
	c := s.caller(t, ada)
	evil := `<img src=x onerror=alert(1)>"'&amp;`
	c.must("/keys/rename", map[string]any{"credential": b64(s.keys(t, ada)[0].ID), "name": evil})
	page := c.do(http.MethodGet, "/keys", "").body
	require.Contains(t, string(page), "&lt;img src=x onerror=alert(1)&gt;")
	require.False(t, bytes.Contains(page, []byte("<img")))
}
