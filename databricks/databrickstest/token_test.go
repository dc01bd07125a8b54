package databrickstest_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/databricks/databrickstest"
)

func TestTokenAnswer(t *testing.T) {
	signer := newES256(t, "k")
	w, _ := newWorkspace(t, nil)
	trust(t, w, keySet(signer))
	for _, path := range []string{workspaceTokenPath, "/oidc/accounts/" + accountID + "/v1/token"} {
		out := post(w, path, exchangeForm(signer.sign(claims(nil)), map[string]string{"scope": "jobs:read clusters"}))
		require.Equal(t, http.StatusOK, out.status, out.text)
		require.Equal(t, "no-store", out.header.Get("Cache-Control"))
		require.Equal(t, "Bearer", out.body["token_type"])
		require.Equal(t, "urn:ietf:params:oauth:token-type:access_token", out.body["issued_token_type"])
		require.Equal(t, "jobs:read clusters", out.body["scope"])
		require.EqualValues(t, 900, out.body["expires_in"])
		require.Len(t, out.body, 5, "and no refresh token")
		require.NotContains(t, out.body["access_token"], ".", "opaque")
	}
	other := post(w, "/oidc/accounts/99999999-2222-3333-4444-555555555555/v1/token", exchangeForm(signer.sign(claims(nil)), nil))
	require.Equal(t, http.StatusNotFound, other.status)
}

func TestTokenRequests(t *testing.T) {
	signer := newES256(t, "k")
	good := exchangeForm(signer.sign(claims(nil)), nil)
	with := func(name, value string) string {
		form := exchangeForm(good.Get("subject_token"), map[string]string{name: value})
		return form.Encode()
	}
	without := func(name string) string {
		form := exchangeForm(good.Get("subject_token"), nil)
		form.Del(name)
		return form.Encode()
	}
	form := "application/x-www-form-urlencoded"
	tests := []struct {
		name, contentType, body string
		status                  int
		code                    string // empty: accepted
	}{
		{"good", form, good.Encode(), 200, ""},
		{"good with charset", form + "; charset=UTF-8", good.Encode(), 200, ""},
		{"empty client_id counts as none", form, with("client_id", ""), 200, ""},
		{"empty client_secret counts as none", form, with("client_secret", ""), 200, ""},
		{"what the SQL drivers add", form, with("return_original_token_if_authenticated", "true"), 200, ""},
		{"asking for what there is", form, with("requested_token_type", "urn:ietf:params:oauth:token-type:access_token"), 200, ""},

		{"JSON", "application/json", `{"grant_type":"x"}`, 400, "invalid_request"},
		{"no content type", "", good.Encode(), 400, "invalid_request"},
		{"broken content type", form + ";;;", good.Encode(), 400, "invalid_request"},
		{"multipart", "multipart/form-data; boundary=x", good.Encode(), 400, "invalid_request"},
		{"empty", form, "", 400, "invalid_request"},
		{"bad escape", form, good.Encode() + "&x=%zz", 400, "invalid_request"},
		{"semicolons", form, strings.ReplaceAll(good.Encode(), "&", ";"), 400, "invalid_request"},
		{"larger than 64 KiB", form, good.Encode() + "&x=" + strings.Repeat("x", 1<<20), 413, "invalid_request"},
		{"subject token of 1 MiB", form, with("subject_token", strings.Repeat("x", 1<<20)), 413, "invalid_request"},
		{"scope twice", form, good.Encode() + "&scope=clusters", 400, "invalid_request"},
		{"subject_token twice", form, good.Encode() + "&subject_token=x", 400, "invalid_request"},
		{"grant_type twice", form, good.Encode() + "&grant_type=", 400, "invalid_request"},
		{"unknown parameter twice", form, good.Encode() + "&x=1&x=2", 400, "invalid_request"},
		{"no grant_type", form, without("grant_type"), 400, "invalid_request"},
		{"another grant_type", form, with("grant_type", "client_credentials"), 400, "unsupported_grant_type"},
		{"no subject_token", form, without("subject_token"), 400, "invalid_request"},
		{"no subject_token_type", form, without("subject_token_type"), 400, "invalid_request"},
		{"another subject_token_type", form, with("subject_token_type", "urn:ietf:params:oauth:token-type:id_token"), 400, "invalid_request"},
		{"asking for a refresh token", form, with("requested_token_type", "urn:ietf:params:oauth:token-type:refresh_token"), 400, "invalid_request"},
		{"an actor", form, with("actor_token", "x"), 400, "invalid_request"},
		{"a group's rights", form, with("assume_group", "1"), 400, "invalid_request"},
		{"details", form, with("authorization_details", "[]"), 400, "invalid_request"},
		{"a secret", form, with("client_secret", "x"), 400, "invalid_request"},
		{"an audience", form, with("audience", "x"), 400, "invalid_target"},
		{"a resource", form, with("resource", "https://x.example"), 400, "invalid_target"},
		{"no scope", form, without("scope"), 400, "invalid_scope"},
		{"empty scope", form, with("scope", ""), 400, "invalid_scope"},
		{"unknown scope", form, with("scope", "clusters everything"), 400, "invalid_scope"},
		{"unknown client", form, with("client_id", "x"), 401, "invalid_client"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w, _ := newWorkspace(t, nil)
			trust(t, w, keySet(signer))
			r := httptest.NewRequest(http.MethodPost, workspaceTokenPath, strings.NewReader(tt.body))
			if tt.contentType != "" {
				r.Header.Set("Content-Type", tt.contentType)
			}
			out := send(w, r)
			require.Equal(t, tt.status, out.status, out.text)
			if tt.code == "" {
				require.NotEmpty(t, out.body["access_token"])
				return
			}
			require.Equal(t, tt.code, out.body["error"])
			require.NotEmpty(t, out.body["error_description"])
			require.NotContains(t, out.text, good.Get("subject_token"), "errors repeat no token")
		})
	}
}

func TestTokenRequestOutsideTheBody(t *testing.T) {
	signer := newES256(t, "k")
	w, _ := newWorkspace(t, nil)
	trust(t, w, keySet(signer))
	form := exchangeForm(signer.sign(claims(nil)), nil)

	out := post(w, workspaceTokenPath+"?"+form.Encode(), form)
	require.Equal(t, http.StatusBadRequest, out.status)
	for _, method := range []string{"GET", "HEAD", "PUT", "DELETE", "OPTIONS"} {
		out = send(w, httptest.NewRequest(method, workspaceTokenPath, nil))
		require.Equal(t, http.StatusMethodNotAllowed, out.status, method)
		require.Equal(t, "POST", out.header.Get("Allow"))
		require.Empty(t, out.header.Get("Access-Control-Allow-Origin"))
	}
	r := httptest.NewRequest(http.MethodPost, workspaceTokenPath, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth("client", "secret")
	out = send(w, r)
	require.Equal(t, http.StatusUnauthorized, out.status)
	require.Equal(t, "invalid_client", out.body["error"])
}

func TestScopes(t *testing.T) {
	const jobs, serving, clusters = "/api/2.2/jobs/list", "/api/2.0/serving-endpoints", "/api/2.1/clusters/list"
	signer := newES256(t, "k")
	for _, tt := range []struct {
		scope string
		may   []string // of the three; nil: the scope is refused
	}{
		{"all-apis", []string{jobs, serving, clusters}},
		{"all-apis:read", []string{jobs, serving, clusters}},
		{"clusters", []string{clusters}},
		{"clusters:read", []string{clusters}},
		{"jobs model-serving:read", []string{jobs, serving}},
		{"sql", []string{}},
		{"sql:read", []string{}},
		{"sql:restricted-query", []string{}},
		{"sql:read:restricted-query", []string{}},
		{"unity-catalog", []string{}},

		{"clusters:write", nil},
		{"clusters:", nil},
		{"clusters:read:read", nil},
		{"clusters:restricted-query", nil},
		{"sql:restricted-query:read", nil},
		{"all-apis:restricted-query", nil},
		{"Clusters", nil},
		{"cluster", nil},
		{"clusters  jobs", nil},
		{" clusters", nil},
		{"clusters ", nil},
		{" ", nil},
		{"clusters clusters", nil},
		{"clusters clusters:read", nil},
		{"clusters,jobs", nil},
		{"clusters\tjobs", nil},
		{"openid", nil},
		{"offline_access", nil},
		{"*", nil},
	} {
		t.Run(tt.scope, func(t *testing.T) {
			w, _ := newWorkspace(t, nil)
			trust(t, w, keySet(signer))
			out := exchange(w, signer.sign(claims(nil)), map[string]string{"scope": tt.scope})
			if tt.may == nil {
				require.Equal(t, http.StatusBadRequest, out.status)
				require.Equal(t, "invalid_scope", out.body["error"])
				return
			}
			require.Equal(t, http.StatusOK, out.status, out.text)
			require.Equal(t, tt.scope, out.body["scope"])
			token := out.body["access_token"].(string)
			require.Equal(t, http.StatusOK, send(w, request("GET", mePath, token, "")).status, "MeScim belongs to every scope")
			for _, path := range []string{jobs, serving, clusters} {
				want := http.StatusForbidden
				for _, p := range tt.may {
					if p == path {
						want = http.StatusOK
					}
				}
				out := send(w, request("GET", path, token, ""))
				require.Equal(t, want, out.status, "%s: %s", path, out.text)
				if want == http.StatusForbidden {
					require.Equal(t, "PERMISSION_DENIED", out.body["error_code"])
					require.Contains(t, out.body["message"], "does not have required scopes")
					require.Contains(t, out.header.Get("WWW-Authenticate"), `error="insufficient_scope"`)
				}
			}
		})
	}
}

// Reading narrows to GET and HEAD; no endpoint that writes is served yet, so the
// rule is tried by itself.
func TestReadScopeReadsOnly(t *testing.T) {
	for _, tt := range []struct {
		scopes, name, method string
		want                 bool
	}{
		{"clusters:read", "clusters", "GET", true},
		{"clusters:read", "clusters", "HEAD", true},
		{"clusters:read", "clusters", "POST", false},
		{"clusters", "clusters", "POST", true},
		{"all-apis:read", "clusters", "POST", false},
		{"all-apis:read clusters", "clusters", "POST", true},
		{"all-apis", "clusters", "DELETE", true},
		{"sql:restricted-query", "sql", "GET", false},
		{"sql:read:restricted-query", "sql", "GET", true},
		{"sql:read:restricted-query", "sql", "POST", false},
		{"jobs", "clusters", "GET", false},
	} {
		got, ok := databrickstest.Allows(tt.scopes, tt.name, tt.method)
		require.True(t, ok, tt.scopes)
		require.Equal(t, tt.want, got, "%s: %s %s", tt.scopes, tt.method, tt.name)
	}
}

func TestTokenFaults(t *testing.T) {
	signer := newES256(t, "k")
	w, _ := newWorkspace(t, nil)
	trust(t, w, keySet(signer))
	subject := signer.sign(claims(nil))

	w.FailTokenRequests(2, databrickstest.Fault{RetryAfter: 1500 * time.Millisecond})
	for range 2 {
		out := exchange(w, subject, nil)
		require.Equal(t, http.StatusServiceUnavailable, out.status)
		require.Equal(t, "2", out.header.Get("Retry-After"), "rounded up: earlier would be too early")
		require.Equal(t, "temporarily_unavailable", out.body["error"])
	}
	token := mint(t, w, subject, "jobs")
	w.FailTokenRequests(9, databrickstest.Fault{Status: http.StatusTooManyRequests})
	require.Equal(t, http.StatusTooManyRequests, exchange(w, subject, nil).status)
	require.Equal(t, http.StatusOK, send(w, request("GET", mePath, token, "")).status, "APIs go on")
	w.FailTokenRequests(0, databrickstest.Fault{})
	mint(t, w, subject, "jobs")

	require.Equal(t, 2, w.RevokeTokens())
	require.Equal(t, http.StatusUnauthorized, send(w, request("GET", mePath, token, "")).status)
	require.Equal(t, http.StatusOK, send(w, request("GET", mePath, mint(t, w, subject, "jobs"), "")).status)
}

func TestTokensAreBounded(t *testing.T) {
	signer := newES256(t, "k")
	w, clk := newWorkspace(t, nil)
	trust(t, w, keySet(signer))
	w.FillGrants(epoch.Add(time.Minute))
	subject := signer.sign(claims(nil))
	out := exchange(w, subject, nil)
	require.Equal(t, http.StatusServiceUnavailable, out.status)
	require.NotEmpty(t, out.header.Get("Retry-After"))
	clk.advance(time.Minute)
	mint(t, w, subject, "jobs")
	require.Equal(t, 1, w.RevokeTokens(), "the expired are gone")
}

func TestTheRecordShowsWhoCalledWithWhat(t *testing.T) {
	signer := newES256(t, "k")
	w, clk := newWorkspace(t, nil)
	trust(t, w, keySet(signer))
	form := exchangeForm(signer.sign(claims(nil)), nil)
	r := httptest.NewRequest(http.MethodPost, workspaceTokenPath, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("User-Agent", "lakekey/0 session/abc")
	token := send(w, r).body["access_token"].(string)
	clk.advance(time.Second)
	use := request("GET", "/api/2.2/jobs/list?limit=5", token, "")
	use.Header.Set("User-Agent", "sdk lakekey/0 session/abc")
	send(w, use)
	send(w, request("GET", mePath, "nonsense", ""))
	send(w, request("GET", "/api/2.0/accounts/"+accountID+"/scim/v2/Users", adminToken, ""))

	require.Equal(t, []databrickstest.Request{
		{Time: epoch, Method: "POST", Path: workspaceTokenPath, UserAgent: "lakekey/0 session/abc", Principal: ada, Status: 200},
		{Time: epoch.Add(time.Second), Method: "GET", Path: "/api/2.2/jobs/list", UserAgent: "sdk lakekey/0 session/abc", Principal: ada, Status: 403, ErrorCode: "PERMISSION_DENIED"},
		{Time: epoch.Add(time.Second), Method: "GET", Path: mePath, Status: 401, ErrorCode: "UNAUTHENTICATED"},
		{Time: epoch.Add(time.Second), Method: "GET", Path: "/api/2.0/accounts/" + accountID + "/scim/v2/Users", Principal: "admin", Status: 200},
	}, w.Requests())
}
