package databrickstest_test

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"
)

const scimPath = "/api/2.0/accounts/" + accountID + "/scim/v2/"

func TestSCIMRefusals(t *testing.T) {
	w, _ := newWorkspace(t, nil)
	id, err := w.AddUser("grace@example.com")
	require.NoError(t, err)
	group := send(w, request("POST", scimPath+"Groups", adminToken, `{"displayName":"g"}`)).body["id"].(string)
	patch := func(op string) string { return `{"Operations":[` + op + `]}` }
	for _, tt := range []struct {
		name, method, path, body string
		status                   int
		scimType                 string
	}{
		{"no userName", "POST", "Users", `{}`, 400, "invalidValue"},
		{"no address", "POST", "Users", `{"userName":"grace"}`, 400, "invalidValue"},
		{"taken", "POST", "Users", `{"userName":"Grace@example.com"}`, 409, "uniqueness"},
		{"application id no UUID", "POST", "ServicePrincipals", `{"applicationId":"x"}`, 400, "invalidValue"},
		{"group without name", "POST", "Groups", `{}`, 400, "invalidValue"},
		{"group name taken", "POST", "Groups", `{"displayName":"g"}`, 409, "uniqueness"},
		{"group of nobody", "POST", "Groups", `{"displayName":"h","members":[{"value":"1"}]}`, 400, "invalidValue"},
		{"group in itself", "PATCH", "Groups/" + group, patch(`{"op":"add","path":"members","value":[{"value":"` + group + `"}]}`), 400, "invalidValue"},
		{"a user under groups", "GET", "Groups/" + id, "", 404, ""},
		{"nobody", "GET", "Users/1", "", 404, ""},
		{"delete nobody", "DELETE", "Users/1", "", 404, ""},
		{"unknown operation", "PATCH", "Users/" + id, patch(`{"op":"move","path":"active","value":true}`), 400, "invalidPath"},
		{"unknown attribute", "PATCH", "Users/" + id, patch(`{"op":"replace","path":"userName","value":"eve@example.com"}`), 400, "invalidPath"},
		{"active no boolean", "PATCH", "Users/" + id, patch(`{"op":"replace","path":"active","value":"no"}`), 400, "invalidPath"},
		{"members of a user", "PATCH", "Users/" + id, patch(`{"op":"add","path":"members","value":[]}`), 400, "invalidPath"},
		{"second operation bad", "PATCH", "Users/" + id, patch(`{"op":"replace","path":"active","value":false},{"op":"x"}`), 400, "invalidPath"},
		{"odd filter", "GET", "Users?filter=" + url.QueryEscape(`userName eq "a" or userName eq "b"`), "", 400, "invalidFilter"},
		{"filter by the unknown", "GET", "Users?filter=" + url.QueryEscape(`shoeSize eq "43"`), "", 400, "invalidFilter"},
		{"count of nonsense", "GET", "Users?count=all", "", 400, "invalidValue"},
	} {
		out := send(w, request(tt.method, scimPath+tt.path, adminToken, tt.body))
		require.Equal(t, tt.status, out.status, "%s: %s", tt.name, out.text)
		require.Equal(t, []any{"urn:ietf:params:scim:api:messages:2.0:Error"}, out.body["schemas"], tt.name)
		if tt.scimType != "" {
			require.Equal(t, tt.scimType, out.body["scimType"], tt.name)
		}
	}
	grace := send(w, request("GET", scimPath+"Users/"+id, adminToken, ""))
	require.Equal(t, true, grace.body["active"], "a refused patch changes nothing")
}

func TestDeletedPrincipalsLeaveNothing(t *testing.T) {
	w, _ := newWorkspace(t, nil)
	id, _, err := w.AddServicePrincipal("trainer")
	require.NoError(t, err)
	assignment := "/api/2.0/accounts/" + accountID + "/workspaces/1234567890123456/permissionassignments/principals/" + id
	require.Equal(t, http.StatusOK, send(w, request("PUT", assignment, adminToken, `{"permissions":["USER"]}`)).status)
	require.Equal(t, http.StatusNoContent, send(w, request("DELETE", scimPath+"ServicePrincipals/"+id, adminToken, "")).status)
	require.Equal(t, http.StatusNotFound, send(w, request("DELETE", assignment, adminToken, "")).status)
	require.Equal(t, http.StatusNotFound, send(w, request("PUT", assignment, adminToken, `{"permissions":["USER"]}`)).status)
}

func TestSCIMListsInPages(t *testing.T) {
	w, _ := newWorkspace(t, nil)
	for _, name := range []string{"b@example.com", "c@example.com", "d@example.com"} {
		_, err := w.AddUser(name)
		require.NoError(t, err)
	}
	names := func(query string) []any {
		out := send(w, request("GET", scimPath+"Users?"+query, adminToken, ""))
		require.Equal(t, http.StatusOK, out.status, out.text)
		require.EqualValues(t, 4, out.body["totalResults"])
		got := []any{}
		for _, r := range out.body["Resources"].([]any) {
			got = append(got, r.(map[string]any)["userName"])
		}
		return got
	}
	require.Equal(t, []any{ada, "b@example.com"}, names("count=2"))
	require.Equal(t, []any{"c@example.com", "d@example.com"}, names("startIndex=3&count=2"))
	require.Equal(t, []any{}, names("startIndex=5"))
	require.Equal(t, []any{}, names("count=0"))
	require.Len(t, names(""), 4)
}

func TestMeShowsGroups(t *testing.T) {
	signer := newES256(t, "k")
	w, _ := newWorkspace(t, nil)
	trust(t, w, keySet(signer))
	users := send(w, request("GET", scimPath+"Users", adminToken, ""))
	id := users.body["Resources"].([]any)[0].(map[string]any)["id"].(string)
	send(w, request("POST", scimPath+"Groups", adminToken, `{"displayName":"trainers","members":[{"value":"`+id+`"}]}`))
	send(w, request("POST", scimPath+"Groups", adminToken, `{"displayName":"others"}`))
	me := send(w, request("GET", mePath, mint(t, w, signer.sign(claims(nil)), "sql"), ""))
	require.Equal(t, id, me.body["id"])
	groups := me.body["groups"].([]any)
	require.Len(t, groups, 1)
	require.Equal(t, "trainers", groups[0].(map[string]any)["display"])
	require.Equal(t, "direct", groups[0].(map[string]any)["type"])
	require.NotContains(t, me.body, "account_id")

	require.Equal(t, http.StatusNoContent, send(w, request("DELETE", scimPath+"Users/"+id, adminToken, "")).status)
	for _, g := range send(w, request("GET", scimPath+"Groups", adminToken, "")).body["Resources"].([]any) {
		one := send(w, request("GET", scimPath+"Groups/"+g.(map[string]any)["id"].(string), adminToken, ""))
		require.NotContains(t, one.body, "members", "the deleted are members of nothing")
	}
}
