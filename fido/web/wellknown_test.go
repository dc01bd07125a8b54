package web_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/fido"
	"github.com/lakekey/lakekey/fido/web"
	"github.com/lakekey/lakekey/internal/browser"
)

// The documents that browsers and password managers look for.
func TestWellKnown(t *testing.T) {
	s := newSite(t, options{fido: func(c *fido.Config) { c.RelatedOrigins = []string{"https://keys.example.com"} }, web: func(c *web.Config) {
		c.Origins = append(c.Origins, "https://keys.example.com")
		c.Prefix = "/account"
	}})
	for path, want := range map[string]map[string]any{
		"/.well-known/webauthn":          {"origins": []any{s.url, "https://keys.example.com"}},
		"/.well-known/passkey-endpoints": {"enroll": s.url + "/account/keys#add", "manage": s.url + "/account/keys"},
	} {
		res := s.stranger(t).do(http.MethodGet, path, "")
		require.Equal(t, http.StatusOK, res.status)
		require.Equal(t, "application/json", res.header.Get("Content-Type"))
		var got map[string]any
		require.NoError(t, json.Unmarshal(res.body, &got))
		require.Equal(t, want, got)
	}
}

// A sign-in at a related origin is one there: its session is a cookie of that host.
func TestSignInAtARelatedOrigin(t *testing.T) {
	const related = "https://keys.example.com"
	s := newSite(t, options{
		fido: func(c *fido.Config) { c.RelatedOrigins = []string{related} },
		web:  func(c *web.Config) { c.Origins = append(c.Origins, related) },
	})
	a := s.caller(t, ada)
	a.cookies = map[string]string{}
	there := func(body any) map[string]any {
		res := a.do(http.MethodPost, "/signin", quote(t, body), "Host", "keys.example.com", "Origin", related)
		require.Equal(t, http.StatusOK, res.status, "%s", res.body)
		var answer map[string]any
		require.NoError(t, json.Unmarshal(res.body, &answer))
		return answer
	}
	begun := there(map[string]any{"step": "options"})
	// This client knows nothing of related origins: what it signs says the other one.
	there(a.finish(begun))
	require.Contains(t, a.cookies, "__Host-lakekey-session")
	require.Equal(t, http.StatusOK, a.do(http.MethodGet, "/keys", "", "Host", "keys.example.com").status)
	require.Equal(t, http.StatusSeeOther, a.do(http.MethodGet, "/keys", "").status, "and none of the other host")
}

// Where the site wants it, the browser is asked for a passkey of its own by
// somebody who has just signed in. Chromium adds one only beside a password that
// its own manager has filled in, so here it leaves the question open; that keeps
// nobody from using a key for something else.
func TestQuietPasskey(t *testing.T) {
	b := browser.Start(t)
	for _, wanted := range []bool{true, false} {
		asked := make(chan struct{}, 1)
		s := newSite(t, options{web: func(c *web.Config) { c.QuietPasskeys = wanted }, wrap: func(_ *web.Site, h http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				h.ServeHTTP(w, r)
				if r.URL.Path == "/keys/options" {
					select {
					case asked <- struct{}{}:
					default:
					}
				}
			})
		}})
		p := b.Page(t)
		key := p.PlugIn(yubikey)
		enrol(p, s.invite(t, ada), "Key")
		signIn(p, s)
		if wanted {
			<-asked
		} else {
			require.Empty(t, asked)
		}
		p.Click("#recoveryform button") // for which it asks the key
		p.WaitFor("#codes", "shown this once")
		require.Len(t, key.Credentials(), 1)
		require.Len(t, s.keys(t, ada), 1)
	}
}
