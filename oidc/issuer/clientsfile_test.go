package issuer_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/oidc/issuer"
)

const clientsFile = `{"clients": [
	{"client_id": "wiki", "client_name": "The wiki", "redirect_uris": ["https://wiki.example.com/callback"],
	 "post_logout_redirect_uris": ["https://wiki.example.com/bye"], "backchannel_logout_uri": "https://wiki.example.com/out", "require_pushed_authorization_requests": true, "insecure_bearer": true},
	{"client_id": "job", "device": true, "audiences": ["one", "two"], "insecure_any_audience": false},
	{"client_id": "service", "may_act_for": ["wiki", "job"], "scopes": ["sql"], "jwks": {"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}}
]}`

func TestParseClients(t *testing.T) {
	clients, err := issuer.ParseClients([]byte(clientsFile))
	require.NoError(t, err)
	require.Len(t, clients, 3)
	require.Equal(t, issuer.Client{ID: "wiki", Name: "The wiki", RedirectURIs: []string{"https://wiki.example.com/callback"}, PostLogoutRedirectURIs: []string{"https://wiki.example.com/bye"}, PushedOnly: true, InsecureBearer: true, BackchannelLogoutURI: "https://wiki.example.com/out"}, clients[0])
	require.Equal(t, issuer.Client{ID: "job", Device: true, Audiences: []string{"one", "two"}}, clients[1])
	require.Contains(t, string(clients[2].JWKS), "Ed25519")
	require.Equal(t, []any{[]string{"wiki", "job"}, []string{"sql"}}, []any{clients[2].MayActFor, clients[2].Scopes})
	f := newFront(t, nil)
	require.NoError(t, f.SetClients(clients))
	clients[2].MayActFor[0] = "wikki"
	require.ErrorContains(t, f.SetClients(clients), `"wikki", which is no client`)
	clients[2].MayActFor, clients[2].JWKS = []string{"job"}, nil
	require.ErrorContains(t, f.SetClients(clients), `client "service" may act for people but has no keys`)
	clients[2].MayActFor, clients[2].Scopes = nil, []string{"a b"}
	require.ErrorContains(t, f.SetClients(clients), `scope "a b" of client "service"`)

	for file, want := range map[string]string{
		``:                                  "clients file: ",
		`{}`:                                "lists no clients",
		`{"clients":[]}`:                    "lists no clients",
		`{"clients":{}}`:                    "clients must be a list of objects",
		`{"client":[]}`:                     `unknown member "client"`,
		`{"clients":[{}]}`:                  `clients[0] (""): client_id is missing`,
		`{"clients":[{"client_id":"a"},3]}`: `clients[1] ("")`,
		`{"clients":[{"client_id":1}]}`:     `clients[0] (""): client_id must be a string`,
		`{"clients":[{"Client_id":"a"}]}`:   `unknown member "Client_id"`,
		`{"clients":[{"client_id":"a"}]}{}`: "clients file: ",
		`{"clients":[{"client_id":"a"}],}`:  "clients file: ",
		`{"clients":[],"clients":[]}`:       "same name",
		strings.Repeat(" ", 1<<20) + `{}`:   "larger than 1 MiB",
		`{"clients":[{"client_id":"a","device":"yes"}]}`:               `clients[0] ("a"): device must be true or false`,
		`{"clients":[{"client_id":"a","device":null}]}`:                `device must be true or false`,
		`{"clients":[{"client_id":"a","redirect_uris":"x"}]}`:          `redirect_uris must be a list of strings`,
		`{"clients":[{"client_id":"a","redirect_urls":["x"]}]}`:        `clients[0] ("a"): unknown member "redirect_urls"`,
		`{"clients":[{"client_id":"a","client_secret":"hunter2"}]}`:    `unknown member "client_secret"`,
		`{"clients":[{"client_id":"a","device":true,"device":false}]}`: "same name",
		`{"clients":[{"client_id":"a","device":true,"DEVICE":false}]}`: "same name",
	} {
		clients, err := issuer.ParseClients([]byte(file))
		require.ErrorContains(t, err, want)
		require.Nil(t, clients)
		require.NotContains(t, err.Error(), "hunter2")
	}
}

// A registry that changes counts from then on, for what is under way too; one that
// is wrong changes nothing.
func TestSetClients(t *testing.T) {
	p := newProvider(t)
	c := newPerson(t, p)
	token := c.signIn(t).text("refresh_token")
	code := c.code(t)
	require.ErrorContains(t, p.SetClients(nil), "Clients is empty")
	require.ErrorContains(t, p.SetClients([]issuer.Client{{ID: "new"}, {ID: "new"}}), "twice")
	post(t, p, revokeAt, url.Values{"client_id": {"new"}, "token": {"x"}}).refused(t, 400, "invalid_client")
	require.NoError(t, p.SetClients([]issuer.Client{{ID: "new"}}))
	require.Equal(t, http.StatusOK, post(t, p, revokeAt, url.Values{"client_id": {"new"}, "token": {"x"}}).status)
	c.refresh(t, token).refused(t, 400, "invalid_client")
	post(t, p, tokenURL, c.redemption(code), c.proof()).refused(t, 400, "invalid_client")
}

func FuzzParseClients(f *testing.F) {
	for _, seed := range []string{clientsFile, `{"clients":[{"client_id":"a"}]}`, `{"clients":[]}`, `{}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		clients, err := issuer.ParseClients(file)
		if err != nil {
			require.Nil(t, clients)
			return
		}
		var plain struct{ Clients []map[string]any }
		require.NoError(t, json.Unmarshal(file, &plain))
		require.Len(t, clients, len(plain.Clients))
		for n, c := range clients {
			require.Equal(t, plain.Clients[n]["client_id"], c.ID)
			require.NotEmpty(t, c.ID)
		}
	})
}
