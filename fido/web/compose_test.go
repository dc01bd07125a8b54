package web_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/fido/web"
)

// Pages that another package makes stand behind the same guard as the site's own.
func TestComposedPages(t *testing.T) {
	s := newSite(t, options{web: func(c *web.Config) { c.Limits.AddressBurst, c.Limits.AddressPerMinute = 3, 1 }})
	h := s.web.Guard(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			s.web.SignOut(w, r)
			s.web.Say(w, r, http.StatusOK, "Thanks", "You said "+r.FormValue("answer"))
			return
		}
		s.web.Ask(w, r, web.Question{
			Title: "Which one?", Text: "<b>Look</b>", Wrong: r.URL.Query().Get("wrong"), Facts: []web.Fact{{Name: "Here", Value: s.web.Remote(r)}},
			Fields: []web.Field{{Name: "answer", Label: "Answer", Value: `"quoted"`, Help: "A word.", Mode: "text"}, {Name: "unseen", Value: "x"}},
			Action: "/ask", Button: "Send", Cancel: "/stop",
		})
	}))
	do := func(method, target, body string, headers ...string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, target, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		for n := 0; n < len(headers); n += 2 {
			r.Header.Set(headers[n], headers[n+1])
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w
	}
	w := do(http.MethodGet, s.url+"/ask", "")
	require.Equal(t, http.StatusOK, w.Code)
	for _, shown := range []string{"<h1>Which one?</h1>", "&lt;b&gt;Look&lt;/b&gt;", "192.0.2.1", `value="&#34;quoted&#34;"`, `<input type="hidden" name="unseen" value="x">`, `action="/ask"`, `href="/stop"`, `aria-describedby="h-answer"`, `id="h-answer"`} {
		require.Contains(t, w.Body.String(), shown)
	}
	require.Contains(t, w.Header().Get("Content-Security-Policy"), "form-action 'self'")
	w = do(http.MethodGet, s.url+"/ask?wrong=Not+that", "")
	require.Equal(t, http.StatusBadRequest, w.Code)
	require.Contains(t, w.Body.String(), `role="alert">Not that`)

	require.True(t, s.web.Serves(s.url))
	require.False(t, s.web.Serves("https://evil.example.com"))
	require.Equal(t, http.StatusMisdirectedRequest, do(http.MethodGet, "http://evil.example.com/ask", "").Code)
	require.Equal(t, http.StatusForbidden, do(http.MethodPost, s.url+"/ask", "answer=yes", "Origin", "https://evil.example.com").Code)
	w = do(http.MethodPost, s.url+"/ask", "answer=yes", "Origin", s.url)
	require.Equal(t, http.StatusOK, w.Code)
	require.Contains(t, w.Body.String(), "You said yes")
	require.Contains(t, w.Header().Get("Set-Cookie"), "Max-Age=0")
	for range 2 {
		require.Equal(t, http.StatusOK, do(http.MethodPost, s.url+"/ask", "").Code)
	}
	w = do(http.MethodPost, s.url+"/ask", "")
	require.Equal(t, http.StatusTooManyRequests, w.Code)
	require.NotEmpty(t, w.Header().Get("Retry-After"))
	require.Equal(t, http.StatusOK, do(http.MethodGet, s.url+"/ask", "").Code)
}
