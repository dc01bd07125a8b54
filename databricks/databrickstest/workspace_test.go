package databrickstest_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/databricks/databrickstest"
	"github.com/lakekey/lakekey/internal/secret"
)

func TestNewChecksItsOptions(t *testing.T) {
	for _, tt := range []struct {
		name string
		o    databrickstest.Options
		want string
	}{
		{"account id", databrickstest.Options{AccountID: "my-account"}, "not a UUID"},
		{"account id in capitals", databrickstest.Options{AccountID: strings.ToUpper("aaaaaaaa-2222-3333-4444-555555555555")}, "not a UUID"},
		{"workspace id", databrickstest.Options{WorkspaceID: -1}, "negative"},
		{"short admin token", databrickstest.Options{AdminToken: secret.New("short")}, "16"},
		{"URL with a path", databrickstest.Options{URL: "https://x.example/path"}, "URL"},
		{"URL of another kind", databrickstest.Options{URL: "ftp://x.example"}, "URL"},
		{"URL with a password", databrickstest.Options{URL: "https://a:hunter2@x.example"}, "URL"},
	} {
		_, err := databrickstest.New(tt.o)
		require.ErrorContains(t, err, tt.want, tt.name)
		require.ErrorContains(t, err, "databrickstest: ")
	}
	one, err := databrickstest.New(databrickstest.Options{})
	require.NoError(t, err)
	two, err := databrickstest.New(databrickstest.Options{})
	require.NoError(t, err)
	require.NotEqual(t, one.AccountID(), two.AccountID())
	require.False(t, one.AdminToken().Equal(two.AdminToken()))
	require.NotContains(t, fmt.Sprintf("%+v %v", one.AdminToken(), one.AdminToken()), one.AdminToken().Reveal())
}

func TestNobodySignsInToANewAccount(t *testing.T) {
	w, err := databrickstest.New(databrickstest.Options{AccountID: accountID, Now: func() time.Time { return epoch }})
	require.NoError(t, err)
	signer := newES256(t, "k")
	require.Contains(t, exchange(w, signer.sign(claims(nil)), nil).text, "no federation policy")
	_, err = w.AddPolicy(databrickstest.Policy{Issuer: issuerURL, JWKS: keySet(signer)})
	require.NoError(t, err)
	require.Contains(t, exchange(w, signer.sign(claims(nil)), nil).text, "no active user")
}

func TestDiscovery(t *testing.T) {
	w, _ := newWorkspace(t, func(o *databrickstest.Options) { o.WorkspaceID = 42 })
	get := func(target string) map[string]any {
		out := send(w, httptest.NewRequest(http.MethodGet, target, nil))
		require.Equal(t, http.StatusOK, out.status, target)
		return out.body
	}
	host := get("http://ws.test:81/.well-known/databricks-config")
	require.Equal(t, map[string]any{
		"oidc_endpoint": "http://ws.test:81/oidc", "account_id": accountID, "workspace_id": "42", "cloud": "AWS",
		"host_type": "workspace", "token_federation_default_oidc_audiences": []any{accountID},
	}, host)
	account := get("https://accounts.ws.test/.well-known/databricks-config")
	require.Equal(t, "https://accounts.ws.test/oidc/accounts/{account_id}", account["oidc_endpoint"])
	require.Equal(t, "account", account["host_type"])
	require.NotContains(t, account, "workspace_id")

	for _, document := range []string{"oauth-authorization-server", "openid-configuration"} {
		require.Equal(t, "http://ws.test/oidc/v1/token", get("http://ws.test/oidc/.well-known/" + document)["token_endpoint"])
		require.Equal(t, "http://ws.test/oidc/accounts/"+accountID+"/v1/token",
			get("http://ws.test/oidc/accounts/" + accountID + "/.well-known/" + document)["token_endpoint"])
		out := send(w, httptest.NewRequest(http.MethodGet, "/oidc/accounts/99999999-2222-3333-4444-555555555555/.well-known/"+document, nil))
		require.Equal(t, http.StatusNotFound, out.status)
	}
	require.NotContains(t, get("/oidc/.well-known/oauth-authorization-server"), "authorization_endpoint", "there is none")

	named, _ := newWorkspace(t, func(o *databrickstest.Options) { o.URL = "https://ws.example.com/" })
	out := send(named, httptest.NewRequest(http.MethodGet, "http://attacker.example/oidc/.well-known/oauth-authorization-server", nil))
	require.Equal(t, "https://ws.example.com/oidc/v1/token", out.body["token_endpoint"], "with a URL the Host header decides nothing")
}

func TestBearerTokens(t *testing.T) {
	signer := newES256(t, "k")
	w, _ := newWorkspace(t, func(o *databrickstest.Options) { o.WorkspaceID = 42 })
	trust(t, w, keySet(signer))
	token := mint(t, w, signer.sign(claims(nil)), "all-apis")
	users := "/api/2.0/accounts/" + accountID + "/scim/v2/Users"
	policies := "/api/2.0/accounts/" + accountID + "/federationPolicies"
	for _, tt := range []struct {
		name, path, authorization string
		status                    int
		challenge                 string
	}{
		{"minted", mePath, "Bearer " + token, 200, ""},
		{"scheme in another case", mePath, "bearer " + token, 200, ""},
		{"none", mePath, "", 401, `Bearer realm="databricks"`},
		{"unknown", mePath, "Bearer nobody", 401, `error="invalid_token"`},
		{"subject token", mePath, "Bearer " + signer.sign(claims(nil)), 401, `error="invalid_token"`},
		{"basic", mePath, "Basic dXNlcjpwYXNz", 401, `Bearer realm="databricks"`},
		{"no scheme", mePath, token, 401, `Bearer realm="databricks"`},
		{"empty", mePath, "Bearer ", 401, `Bearer realm="databricks"`},
		{"prefix", mePath, "Bearer " + token[:len(token)-1], 401, `error="invalid_token"`},
		{"admin on a workspace API", mePath, "Bearer " + adminToken, 403, ""},
		{"admin", users, "Bearer " + adminToken, 200, ""},
		{"minted on an account API", users, "Bearer " + token, 403, ""},
		{"minted on policies", policies, "Bearer " + token, 403, ""},
		{"none on an account API", policies, "", 401, `Bearer realm="databricks"`},
		{"unknown on an account API", policies, "Bearer nobody", 401, `error="invalid_token"`},
		{"admin of another account", "/api/2.0/accounts/99999999-2222-3333-4444-555555555555/scim/v2/Users", "Bearer " + adminToken, 404, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodGet, tt.path, nil)
			if tt.authorization != "" {
				r.Header.Set("Authorization", tt.authorization)
			}
			out := send(w, r)
			require.Equal(t, tt.status, out.status, out.text)
			require.Contains(t, out.header.Get("WWW-Authenticate"), tt.challenge)
			if tt.status == 200 && tt.path == mePath {
				require.Equal(t, "42", out.header.Get("X-Databricks-Org-Id"))
			}
			if tt.status >= 400 {
				require.NotEmpty(t, out.body["error_code"])
				require.NotEmpty(t, out.body["message"])
			}
		})
	}
	twice := request("GET", mePath, token, "")
	twice.Header.Add("Authorization", "Bearer "+token)
	require.Equal(t, http.StatusUnauthorized, send(w, twice).status)

	elsewhere := request("GET", mePath, token, "")
	elsewhere.Header.Set("X-Databricks-Workspace-Id", "43")
	require.Equal(t, http.StatusNotFound, send(w, elsewhere).status)
	elsewhere.Header.Set("X-Databricks-Workspace-Id", "42")
	require.Equal(t, http.StatusOK, send(w, elsewhere).status)
}

func TestPathsAndMethods(t *testing.T) {
	signer := newES256(t, "k")
	w, _ := newWorkspace(t, nil)
	trust(t, w, keySet(signer))
	token := mint(t, w, signer.sign(claims(nil)), "all-apis")
	for _, tt := range []struct {
		method, path string
		status       int
		allow        string
	}{
		{"GET", "/api/2.1/clusters/list", 200, ""},
		{"HEAD", "/api/2.1/clusters/list", 200, ""},
		{"POST", "/api/2.1/clusters/list", 405, "GET"},
		{"OPTIONS", "/api/2.1/clusters/list", 405, "GET"},
		{"GET", "/api/2.1/jobs/list", 200, ""},
		{"GET", "/api/2.2/jobs/list", 200, ""},
		{"GET", "/api/2.0/serving-endpoints", 200, ""},
		{"DELETE", mePath, 405, "GET"},
		{"POST", "/.well-known/databricks-config", 405, "GET"},
		{"PUT", "/api/2.0/accounts/" + accountID + "/federationPolicies", 405, "GET, POST"},
		{"GET", "/api/2.1/clusters/get", 404, ""},
		{"GET", "/", 404, ""},
		{"GET", "/api/2.1/clusters/list/", 404, ""},
		{"GET", "//api/2.1/clusters/list", 404, ""},
		{"GET", "/api/2.1/x/../clusters/list", 404, ""},
		{"GET", "/api/2.0/accounts/" + accountID + "/scim/v2/Robots", 403, ""},
	} {
		out := send(w, request(tt.method, "http://ws.test"+tt.path, token, ""))
		require.Equal(t, tt.status, out.status, "%s %s: %s", tt.method, tt.path, out.text)
		require.Equal(t, tt.allow, out.header.Get("Allow"))
		require.Contains(t, out.header.Get("Content-Type"), "application/json")
	}
	out := send(w, request("GET", "/api/2.1/clusters/list", token, ""))
	require.Equal(t, map[string]any{"clusters": []any{}}, out.body)
	out = send(w, request("GET", "/api/2.2/jobs/list", token, ""))
	require.Equal(t, map[string]any{"jobs": []any{}, "has_more": false}, out.body)
	out = send(w, request("GET", "/api/2.0/accounts/"+accountID+"/scim/v2/Robots", adminToken, ""))
	require.Equal(t, http.StatusNotFound, out.status)
}

func TestDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, err := databrickstest.New(databrickstest.Options{})
		require.NoError(t, err)
		w.Delay(30 * time.Second)
		start := time.Now()
		r := httptest.NewRequest(http.MethodGet, "/.well-known/databricks-config", nil)
		send(w, r)
		require.Equal(t, 30*time.Second, time.Since(start))

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start = time.Now()
		send(w, r.WithContext(ctx))
		require.Equal(t, time.Second, time.Since(start), "a client that has gone is not waited for")

		w.Delay(0)
		start = time.Now()
		send(w, r)
		require.Zero(t, time.Since(start))
	})
}

func TestTheRecordIsBounded(t *testing.T) {
	w, _ := newWorkspace(t, nil)
	for i := range 25_000 {
		send(w, httptest.NewRequest(http.MethodGet, fmt.Sprintf("/%d", i), nil))
	}
	all := w.Requests()
	require.LessOrEqual(t, len(all), 10_000)
	require.GreaterOrEqual(t, len(all), 5_000)
	require.Equal(t, "/24999", all[len(all)-1].Path)
	all[0].Path = "changed"
	require.NotEqual(t, "changed", w.Requests()[0].Path, "the record hands out copies")
}

// Many at once, with every kind of request: run with -race.
func TestConcurrentUse(t *testing.T) {
	signer := newES256(t, "k")
	w, _ := newWorkspace(t, func(o *databrickstest.Options) { o.RequireAssignment = true })
	trust(t, w, keySet(signer))
	account := "/api/2.0/accounts/" + accountID
	var group sync.WaitGroup
	for i := range 16 {
		group.Go(func() {
			name := fmt.Sprintf("user%d-%s@example.com", i, strings.ToLower(rand.Text()[:6]))
			for range 10 {
				id := send(w, request("POST", account+"/scim/v2/Users", adminToken, `{"userName":"`+name+`"}`)).body["id"].(string)
				subject := signer.sign(claims(map[string]any{"sub": name}))
				assignment := fmt.Sprintf("%s/workspaces/1234567890123456/permissionassignments/principals/%s", account, id)
				if out := exchange(w, subject, nil); out.status != 400 {
					t.Errorf("not assigned: %d", out.status)
				}
				send(w, request("PUT", assignment, adminToken, `{"permissions":["USER"]}`))
				policy := send(w, request("POST", account+"/federationPolicies", adminToken, `{"oidc_policy":{"issuer":"https://other.example.com"}}`)).body["policy_id"].(string)
				out := exchange(w, subject, nil)
				if out.status != 200 {
					t.Errorf("assigned: %s", out.text)
					return
				}
				me := send(w, request("GET", mePath, out.body["access_token"].(string), ""))
				if me.body["userName"] != name {
					t.Errorf("%s is told to be %v", name, me.body["userName"])
				}
				send(w, request("GET", account+"/federationPolicies", adminToken, ""))
				send(w, request("DELETE", account+"/federationPolicies/"+policy, adminToken, ""))
				send(w, request("DELETE", account+"/scim/v2/Users/"+id, adminToken, ""))
				w.Requests()
			}
		})
	}
	group.Wait()
}
