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
			s, err := databricks.NewTokenSource(session, databricks.Config{Host: server.URL, Scopes: []string{"sql"}, InsecureSkipIdentity: true})
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

// A host that a person was lured to names somebody else's account: an ID token
// for that one would be good at every workspace of it. Who names the audience
// must be Databricks, this machine, or the program itself.
func TestStrangerDoesNotNameTheAudience(t *testing.T) {
	const victim = "victim-account"
	for host, believed := range map[string]bool{
		"https://dbc-1.cloud.databricks.com":            true,
		"https://dbc-1.staging.cloud.databricks.com":    true,
		"https://dbc-1.cloud.databricks.com:8443":       true,
		"https://DBC-1.Cloud.Databricks.com./?o=1":      true,
		"https://acme.databricks.com":                   true,
		"https://1.1.gcp.databricks.com":                true,
		"https://dbc-1.cloud.databricks.us":             true,
		"https://dbc-1.cloud.databricks.mil":            true,
		"https://adb-1.1.azuredatabricks.net":           true,
		"https://adb-1.1.databricks.azure.us":           true,
		"https://adb-1.1.databricks.azure.cn":           true,
		"http://localhost:8080":                         true,
		"http://127.0.0.1:8080":                         true,
		"https://[::1]:8080":                            true,
		"https://evil.example":                          false,
		"https://cloud.databricks.com.evil.example":     false,
		"https://evilcloud-databricks.com":              false,
		"https://evildatabricks.com":                    false,
		"https://evilazuredatabricks.net":               false,
		"https://evil.example:443/.databricks.com":      false,
		"https://evil.example/?x=.cloud.databricks.com": false,
		"https://app-1.aws.databricksapps.com":          false, // customers' own programs
		"https://evil.azure.us":                         false,
		"https://10.0.0.1":                              false,
		"https://databricks.com.localhost":              false,
	} {
		t.Run(host, func(t *testing.T) {
			session := newSession(t)
			config := databricks.Config{Host: host, Scopes: []string{"sql"}, Transport: hostNaming(victim), InsecureSkipIdentity: true}
			s, err := databricks.NewTokenSource(session, config)
			if err == nil {
				defer s.Close()
				_, err = s.Token(t.Context())
			}
			if believed {
				require.NoError(t, err)
				require.Equal(t, victim, session.last.Audience)
				return
			}
			require.ErrorContains(t, err, "set Config.Audience")
			require.Zero(t, session.calls.Load(), "no ID token for whom the host named")

			config.Audience = "mine"
			s, err = databricks.NewTokenSource(session, config)
			require.NoError(t, err)
			defer s.Close()
			_, err = s.Token(t.Context())
			require.NoError(t, err)
			require.Equal(t, "mine", session.last.Audience)
		})
	}
}

// hostNaming is a host that says which account is its own, and issues tokens.
type hostNaming string

func (account hostNaming) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Path != "/.well-known/databricks-config" {
		return tokenHost{}.RoundTrip(r)
	}
	body := io.NopCloser(strings.NewReader(`{"account_id":"` + string(account) + `"}`))
	return &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"application/json"}}, Body: body, Request: r}, nil
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
