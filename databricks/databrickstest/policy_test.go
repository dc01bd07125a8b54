package databrickstest_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/databricks/databrickstest"
)

func TestPolicyValidation(t *testing.T) {
	w, _ := newWorkspace(t, nil)
	id, _, err := w.AddServicePrincipal("trainer")
	require.NoError(t, err)
	jwks := keySet(newES256(t, "k"))
	weak := keySet(newRS256(t, "weak", 1024))
	private, _ := json.Marshal(map[string]any{"keys": []any{map[string]any{"kty": "EC", "crv": "P-256", "d": "AAAA"}}})
	const https, local = "https://idp.example.com", "http://localhost:8080"
	type P = databrickstest.Policy
	for _, tt := range []struct {
		name string
		p    P
		want string // empty: accepted
	}{
		{"https", P{Issuer: https}, ""},
		{"https with a path", P{Issuer: https + "/oauth2/default"}, ""},
		{"localhost", P{Issuer: local}, ""},
		{"loopback v4", P{Issuer: "http://127.0.0.2:80"}, ""},
		{"loopback v6", P{Issuer: "http://[::1]:80"}, ""},
		{"inline keys", P{Issuer: https, JWKS: jwks}, ""},
		{"keys elsewhere", P{Issuer: https, JWKSURI: "https://keys.example.com/jwks"}, ""},
		{"service principal", P{ServicePrincipalID: id, Issuer: https, Subject: "s"}, ""},

		{"no issuer", P{}, "issuer is missing"},
		{"plain http", P{Issuer: "http://idp.example.com"}, "https"},
		{"http to a name that starts like localhost", P{Issuer: "http://localhost.example.com"}, "https"},
		{"issuer no URL", P{Issuer: "idp"}, "https"},
		{"issuer with query", P{Issuer: https + "?x=1"}, "https"},
		{"issuer with empty query", P{Issuer: https + "?"}, "https"},
		{"issuer with fragment", P{Issuer: https + "#"}, "https"},
		{"issuer with password", P{Issuer: "https://a:b@idp.example.com"}, "https"},
		{"subject for the account", P{Issuer: https, Subject: "s"}, "must not be set"},
		{"no subject for a service principal", P{ServicePrincipalID: id, Issuer: https}, "must be set"},
		{"unknown service principal", P{ServicePrincipalID: "1", Issuer: https, Subject: "s"}, "no service principal"},
		{"empty audience", P{Issuer: https, Audiences: []string{"a", ""}}, "empty"},
		{"both kinds of keys", P{Issuer: https, JWKS: jwks, JWKSURI: https}, "exclude"},
		{"jwks_uri over http", P{Issuer: https, JWKSURI: "http://idp.example.com/jwks"}, "https"},
		{"jwks not JSON", P{Issuer: https, JWKS: []byte("{")}, "JSON"},
		{"jwks without keys", P{Issuer: https, JWKS: []byte("{}")}, "keys"},
		{"jwks empty", P{Issuer: https, JWKS: []byte(`{"keys":[]}`)}, "no key"},
		{"jwks of weak keys", P{Issuer: https, JWKS: weak}, "no key"},
		{"jwks with a private key", P{Issuer: https, JWKS: private}, "private"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := w.AddPolicy(tt.p)
			if tt.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, tt.want)
		})
	}
}

func TestPolicyRequests(t *testing.T) {
	w, _ := newWorkspace(t, nil)
	path := "/api/2.0/accounts/" + accountID + "/federationPolicies"
	good := `{"oidc_policy":{"issuer":"https://idp.example.com"}}`
	for _, tt := range []struct {
		name, method, target, body string
		status                     int
		code                       string
	}{
		{"create with a name of its own", "POST", path + "?policy_id=team/our-idp", good, 200, ""},
		{"read it", "GET", path + "/team/our-idp", "", 200, ""},
		{"again", "POST", path + "?policy_id=team/our-idp", good, 409, "RESOURCE_ALREADY_EXISTS"},
		{"bad id", "POST", path + "?policy_id=Our_IdP", good, 400, "INVALID_PARAMETER_VALUE"},
		{"id climbs", "POST", path + "?policy_id=../x", good, 400, "INVALID_PARAMETER_VALUE"},
		{"no policy", "POST", path, `{}`, 400, "INVALID_PARAMETER_VALUE"},
		{"name of another", "POST", path + "?policy_id=x", `{"name":"accounts/other/federationPolicies/x",` + good[1:], 400, "INVALID_PARAMETER_VALUE"},
		{"not JSON", "POST", path, `{`, 400, "MALFORMED_REQUEST"},
		{"issuer twice", "POST", path, `{"oidc_policy":{"issuer":"https://a.example","issuer":"https://b.example"}}`, 400, "MALFORMED_REQUEST"},
		{"issuer a list", "POST", path, `{"oidc_policy":{"issuer":["https://a.example"]}}`, 400, "MALFORMED_REQUEST"},
		{"too large", "POST", path, `{"description":"` + strings.Repeat("x", 70<<10) + `"}`, 413, "MALFORMED_REQUEST"},
		{"update description", "PATCH", path + "/team/our-idp", `{"description":"new"}`, 200, ""},
		{"update unknown field", "PATCH", path + "/team/our-idp?update_mask=uid", `{}`, 400, "INVALID_PARAMETER_VALUE"},
		{"update with spaces in the mask", "PATCH", path + "/team/our-idp?update_mask=description,%20oidc_policy", good, 400, "INVALID_PARAMETER_VALUE"},
		{"update to nothing", "PATCH", path + "/team/our-idp?update_mask=oidc_policy.issuer", `{}`, 400, "INVALID_PARAMETER_VALUE"},
		{"update what is not there", "PATCH", path + "/nobody", good, 404, "RESOURCE_DOES_NOT_EXIST"},
		{"a page of nonsense", "GET", path + "?page_token=x", "", 400, "INVALID_PARAMETER_VALUE"},
		{"a page of nothing", "GET", path + "?page_size=0", "", 400, "INVALID_PARAMETER_VALUE"},
		{"delete", "DELETE", path + "/team/our-idp", "", 200, ""},
		{"delete again", "DELETE", path + "/team/our-idp", "", 404, "RESOURCE_DOES_NOT_EXIST"},
	} {
		out := send(w, request(tt.method, tt.target, adminToken, tt.body))
		require.Equal(t, tt.status, out.status, "%s: %s", tt.name, out.text)
		if tt.code != "" {
			require.Equal(t, tt.code, out.body["error_code"], tt.name)
			require.NotEmpty(t, out.body["message"])
		}
	}
	out := send(w, request("GET", path, adminToken, ""))
	require.Equal(t, map[string]any{}, out.body, "an empty list is left out, as protobuf JSON does")
}

// The three kinds of update: what is set, what the mask names, everything.
func TestPolicyUpdates(t *testing.T) {
	w, clk := newWorkspace(t, nil)
	path := "/api/2.0/accounts/" + accountID + "/federationPolicies"
	const start = `{"description":"d","oidc_policy":{"issuer":"https://a.example","audiences":["x"],"subject_claim":"email"}}`
	for _, tt := range []struct {
		mask, body string
		want       string // of description and oidc_policy
	}{
		{"", `{"oidc_policy":{"issuer":"https://b.example"}}`, `{"description":"d","oidc_policy":{"issuer":"https://b.example","audiences":["x"],"subject_claim":"email"}}`},
		{"oidc_policy.audiences", `{"description":"e","oidc_policy":{"issuer":"https://b.example"}}`, `{"description":"d","oidc_policy":{"issuer":"https://a.example","subject_claim":"email"}}`},
		{"description,oidc_policy.subject_claim", `{"oidc_policy":{}}`, `{"oidc_policy":{"issuer":"https://a.example","audiences":["x"]}}`},
		{"oidc_policy", `{"description":"e","oidc_policy":{"issuer":"https://b.example"}}`, `{"description":"d","oidc_policy":{"issuer":"https://b.example"}}`},
		{"*", `{"oidc_policy":{"issuer":"https://b.example"}}`, `{"oidc_policy":{"issuer":"https://b.example"}}`},
	} {
		t.Run(tt.mask, func(t *testing.T) {
			created := send(w, request("POST", path, adminToken, start))
			clk.advance(1)
			id := created.body["policy_id"].(string)
			out := send(w, request("PATCH", path+"/"+id+"?update_mask="+tt.mask, adminToken, tt.body))
			require.Equal(t, http.StatusOK, out.status, out.text)
			require.Equal(t, created.body["uid"], out.body["uid"])
			require.Equal(t, created.body["create_time"], out.body["create_time"])
			require.NotEqual(t, created.body["update_time"], out.body["update_time"])
			for _, member := range []string{"uid", "create_time", "update_time", "name", "policy_id"} {
				delete(out.body, member)
			}
			got, err := json.Marshal(out.body)
			require.NoError(t, err)
			require.JSONEq(t, tt.want, string(got))
		})
	}
}

// A policy that is changed or deleted counts at once.
func TestPolicyChangesTakeEffect(t *testing.T) {
	old, current := newES256(t, "k"), newES256(t, "k")
	w, _ := newWorkspace(t, nil)
	id, err := w.AddPolicy(databrickstest.Policy{Issuer: issuerURL, JWKS: keySet(old)})
	require.NoError(t, err)
	path := "/api/2.0/accounts/" + accountID + "/federationPolicies/" + id
	require.Equal(t, http.StatusOK, exchange(w, old.sign(claims(nil)), nil).status)

	body, _ := json.Marshal(map[string]any{"oidc_policy": map[string]any{"jwks_json": string(keySet(current))}})
	require.Equal(t, http.StatusOK, send(w, request("PATCH", path, adminToken, string(body))).status)
	require.Equal(t, http.StatusBadRequest, exchange(w, old.sign(claims(nil)), nil).status)
	require.Equal(t, http.StatusOK, exchange(w, current.sign(claims(nil)), nil).status)

	require.Equal(t, http.StatusOK, send(w, request("DELETE", path, adminToken, "")).status)
	require.Contains(t, exchange(w, current.sign(claims(nil)), nil).text, "no federation policy")
}
