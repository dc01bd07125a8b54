package databricks_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/lakekey/lakekey/databricks"
	"github.com/stretchr/testify/require"
)

func TestDiscoveryDocument(t *testing.T) {
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		says    string // "" is success
	}{
		"good":             {answer(200, `{"account_id":"a-1","other":[1,{"account_id":"x"}]}`), ""},
		"missing":          {answer(404, `no`), "set Config.Audience"},
		"no account":       {answer(200, `{"host_type":"account"}`), "set Config.Audience"},
		"not JSON":         {answer(200, `<html>`), "JSON"},
		"not an id":        {answer(200, `{"account_id":"a/../b"}`), "not an account id"},
		"number":           {answer(200, `{"account_id":1}`), "JSON"},
		"too large":        {answer(200, `{"account_id":"a","x":"`+strings.Repeat("x", 1<<20)+`"}`), "larger than"},
		"redirect at home": {redirect("/elsewhere", `{"account_id":"a-1"}`), ""},
		"redirect loop":    {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/", http.StatusFound) }, "too many redirects"},
	} {
		t.Run(name, func(t *testing.T) {
			var posted atomic.Int64
			mux := http.NewServeMux()
			mux.Handle("/", c.handler)
			mux.HandleFunc("POST /oidc/v1/token", func(w http.ResponseWriter, _ *http.Request) {
				posted.Add(1)
				_, _ = io.WriteString(w, `{"access_token":"t","token_type":"Bearer","expires_in":900}`)
			})
			server := httptest.NewServer(mux)
			defer server.Close()
			session := newSession(t)
			s, err := databricks.NewTokenSource(session, databricks.Config{Host: server.URL, Scopes: []string{"sql"}})
			require.NoError(t, err)
			_, err = s.Token(t.Context())
			if c.says == "" {
				require.NoError(t, err)
				require.Equal(t, "a-1", session.last.Audience)
				return
			}
			require.ErrorContains(t, err, c.says)
			require.Zero(t, posted.Load())
			require.Zero(t, session.calls.Load())
		})
	}
}

func answer(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

func redirect(to, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != to {
			http.Redirect(w, r, to, http.StatusFound)
			return
		}
		_, _ = io.WriteString(w, body)
	}
}

// A document that is taken yields an id that is safe in a path and in a token;
// one that is not yields nothing.
func FuzzDiscoveryDocument(f *testing.F) {
	for _, s := range []string{`{"account_id":"a-1"}`, `{"account_id":""}`, `{"account_id":"/"}`, `{"ACCOUNT_ID":"b"}`, `[]`, `{"account_id":"a","account_id":"b"}`, `null`, "{\"account_id\":\"\xff\"}"} {
		f.Add([]byte(s))
	}
	id := regexp.MustCompile(`^[0-9A-Za-z][0-9A-Za-z_-]*$`)
	f.Fuzz(func(t *testing.T, body []byte) {
		got, err := databricks.ParseAccountID(body)
		if err != nil {
			require.Empty(t, got)
			return
		}
		require.Regexp(t, id, got)
		require.LessOrEqual(t, len(got), 64)
	})
}
