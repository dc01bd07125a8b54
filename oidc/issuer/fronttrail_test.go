package issuer_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/fido"
	"github.com/lakekey/lakekey/fido/web"
	"github.com/lakekey/lakekey/oidc/issuer"
)

// walk goes every way through the front that ends with tokens, and returns every
// secret that it met. It stops where step says so.
func (f *front) walk(t *testing.T, each func(secrets ...string)) {
	t.Helper()
	uri := f.push(t, "response_mode", "form_post")
	each(uri, strings.TrimPrefix(uri, "urn:ietf:params:oauth:request_uri:"))
	page := f.page(t, url.Values{"client_id": {"wiki"}, "request_uri": {uri}})
	each(page[strings.Index(page, "=")+1:])
	u := f.touch(t, page)
	each(u.Query().Get("code"), u.Query().Get("request"))
	f.browse(t, http.MethodGet, u.String(), nil)
	a := f.redeem(t, u.Query().Get("code"))
	each(a.text("access_token"), a.text("id_token"))
	f.redeem(t, u.Query().Get("code"))
	f.browse(t, http.MethodGet, frontURL+"/logout?id_token_hint="+a.text("id_token"), nil)

	d := f.device(t, "tv")
	each(d.text("device_code"), d.text("user_code"), d.letters())
	d.poll(t)
	page = d.approval(t)
	each(page[strings.Index(page, "=")+1:])
	f.touch(t, page)
	a = d.poll(t)
	each(a.text("access_token"), a.text("id_token"))
	page = f.device(t, "tv").approval(t)
	f.browse(t, http.MethodGet, strings.Replace(page, "/approve?", "/deny?", 1), nil)
	f.browse(t, http.MethodGet, strings.Replace(f.page(t, f.ask(verifier)), "/page?", "/cancel?", 1), nil)
}

// Nothing that opens anything is in a log.
func TestFrontLogsNoSecrets(t *testing.T) {
	f := newFront(t, nil)
	var log bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	site, err := web.New(f.rp, web.Config{Origins: []string{f.url}, Now: f.clock, Logger: logger})
	require.NoError(t, err)
	f.Issuer, err = issuer.New(t.Context(), issuer.Config{URL: f.url, Audit: f.log, Now: f.clock, Site: site, Clients: f.clients, Logger: logger}, f.rp, f.store)
	require.NoError(t, err)
	var met []string
	f.walk(t, func(secrets ...string) { met = append(met, secrets...) })
	require.Len(t, met, 13)
	_, err = f.log.WriteTo(&log)
	require.NoError(t, err)
	for _, s := range met {
		require.NotEmpty(t, s)
		require.NotContains(t, log.String(), s)
	}
	require.Contains(t, log.String(), "device.decide")
}

// crash is what a fail point panics with, instead of a process that dies.
type crash struct{ point string }

// Wherever the issuer dies, what was one-time stays used up, nothing is issued
// without its intent, and the next sign-in works.
func TestFrontCrashes(t *testing.T) {
	var points []string
	f := newFront(t, nil)
	f.SetFailPoint(func(name string) { points = append(points, name) })
	f.walk(t, func(...string) {})
	require.Greater(t, len(points), 20)
	for n, point := range points {
		t.Run(fmt.Sprint(n, " ", point), func(t *testing.T) {
			f := newFront(t, nil)
			passed := 0
			f.SetFailPoint(func(name string) {
				if passed++; passed == n+1 {
					panic(crash{name})
				}
			})
			var secrets []string
			func() {
				defer func() {
					died, ok := recover().(crash)
					require.True(t, ok)
					require.Equal(t, point, died.point)
				}()
				f.walk(t, func(s ...string) { secrets = append(secrets, s...) })
			}()
			f.Issuer = f.replica(t)
			for _, s := range secrets { // whoever has kept them, and tries each wherever it could fit
				f.redeem(t, s).refused(t, 400, "invalid_grant")
			}
			f.walk(t, func(...string) {})
			intents, results := 0, 0
			for _, r := range f.records(t) {
				switch e := r["event"].(map[string]any); {
				case e["type"] != "token.issue":
				case r["phase"] == "intent":
					intents++
				default:
					results++
				}
			}
			require.LessOrEqual(t, intents, 4)
			require.GreaterOrEqual(t, results, 2)
			require.LessOrEqual(t, intents-results, 1, "the one that it died in")
		})
	}
}

// What browsers and devices are offered.
func TestFrontDiscovery(t *testing.T) {
	f := newFront(t, nil)
	found := get(t, f, frontURL+"/.well-known/openid-configuration").body
	for name, want := range map[string]any{
		"authorization_endpoint":                         frontURL + "/authorize",
		"pushed_authorization_request_endpoint":          frontURL + "/par",
		"device_authorization_endpoint":                  frontURL + "/device_authorization",
		"userinfo_endpoint":                              frontURL + "/userinfo",
		"end_session_endpoint":                           frontURL + "/logout",
		"response_modes_supported":                       []any{"query", "form_post"},
		"response_types_supported":                       []any{"code"},
		"scopes_supported":                               []any{"openid", "profile", "email"},
		"prompt_values_supported":                        []any{"none", "login", "consent", "select_account"},
		"authorization_response_iss_parameter_supported": true,
		"backchannel_logout_supported":                   true,
		"backchannel_logout_session_supported":           true,
		"claims_parameter_supported":                     true,
		"request_parameter_supported":                    false,
		"request_uri_parameter_supported":                false,
	} {
		require.Equal(t, want, found[name], name)
	}
	require.Contains(t, found["grant_types_supported"], "urn:ietf:params:oauth:grant-type:device_code")
	// Without pages there is none of it.
	p := newProvider(t)
	bare := get(t, p, baseURL+"/.well-known/openid-configuration").body
	for _, name := range []string{"authorization_endpoint", "pushed_authorization_request_endpoint", "device_authorization_endpoint", "userinfo_endpoint", "end_session_endpoint", "authorization_response_iss_parameter_supported"} {
		require.NotContains(t, bare, name)
	}
	require.NotContains(t, bare["grant_types_supported"], "urn:ietf:params:oauth:grant-type:device_code")
	for _, path := range []string{"/authorize", "/authorize/page", "/par", "/device", "/device_authorization", "/userinfo", "/logout"} {
		require.Equal(t, http.StatusNotFound, get(t, p, baseURL+path).status, path)
	}
}

// A client that needs a page is refused where there is none, and a site that is
// somewhere else is none.
func TestClientsThatNeedPages(t *testing.T) {
	p := newProvider(t)
	for _, c := range []issuer.Client{{ID: "a", RedirectURIs: []string{callback}}, {ID: "a", Device: true}} {
		_, err := issuer.New(t.Context(), issuer.Config{URL: baseURL, Clients: []issuer.Client{c}, Audit: p.log}, p.rp, p.store)
		require.ErrorContains(t, err, "Config.Site")
	}
	rp, err := fido.New(fido.Config{ID: "example.com", Origins: []string{"https://elsewhere.example.com"}, InsecureNoAudit: true}, fido.NewMemoryStore())
	require.NoError(t, err)
	site, err := web.New(rp, web.Config{Origins: []string{"https://elsewhere.example.com"}})
	require.NoError(t, err)
	_, err = issuer.New(t.Context(), issuer.Config{URL: baseURL, Clients: []issuer.Client{{ID: "a"}}, Audit: p.log, Site: site}, p.rp, p.store)
	require.ErrorContains(t, err, "origins")
	f := newFront(t, nil)
	for _, c := range []issuer.Client{{ID: "a", RedirectURIs: []string{"http://evil.example.com"}}, {ID: "a", PostLogoutRedirectURIs: []string{"javascript:alert(1)"}}, {ID: "a", Name: strings.Repeat("x", 129)}} {
		_, err = issuer.New(t.Context(), issuer.Config{URL: frontURL, Clients: []issuer.Client{c}, Audit: p.log, Site: f.site}, f.rp, p.store)
		require.ErrorContains(t, err, `client "a"`)
	}
}

// FuzzUserCode: what people type names the same request however they type it, and
// nothing but letters and digits does.
func FuzzUserCode(f *testing.F) {
	for _, seed := range []string{"BCDF-GHJK-42", "bcdf ghjk 42", "", "ſ", "１２", "K", issuer.NewUserCode()} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, typed string) {
		letters, number := issuer.SplitUserCode(typed)
		require.Empty(t, strings.Trim(letters, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"))
		require.Empty(t, strings.Trim(number, "0123456789"))
		again, digits := issuer.SplitUserCode(strings.ToLower(letters) + " - " + number)
		require.Equal(t, []string{letters, number}, []string{again, digits})
	})
}

// FuzzOwnToken: nothing is a token of the issuer's but what it has signed, in the
// one spelling in which it was.
func FuzzOwnToken(f *testing.F) {
	front := newFront(f, nil)
	a := front.redeem(f, front.code(f))
	idToken, accessToken := a.text("id_token"), a.text("access_token")
	for _, seed := range []string{idToken, accessToken, idToken + "=", strings.Replace(idToken, ".", ". ", 1), idToken[:len(idToken)-1], "..", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, token string) {
		for typ, own := range map[string]string{"JWT": idToken, "at+jwt": accessToken} {
			subject, session, err := front.OwnToken(token, typ)
			if err != nil {
				require.Empty(t, subject+session)
				continue
			}
			require.Equal(t, ada, subject)
			// Only of the signature are there two spellings: its last bits mean nothing.
			require.Equal(t, own[:strings.LastIndexByte(own, '.')], token[:strings.LastIndexByte(token, '.')])
		}
	})
}
