package issuer_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/internal/idptest"
	"github.com/lakekey/lakekey/oidc/issuer"
)

// TestDexBrokers: Dex sends its people here to sign in, and believes what it hears.
func TestDexBrokers(t *testing.T) {
	dexURL := idptest.Address(t) + "/dex"
	f := newLiveFront(t, issuer.Client{ID: "dex", Name: "Dex", RedirectURIs: []string{dexURL + "/callback"}, InsecureBearer: true})
	dex := idptest.Dex(t, idptest.DexOptions{Issuer: dexURL, Connectors: []idptest.Connector{{
		ID: "lakekey", Issuer: f.url, Client: idptest.Client{ID: "dex"}, Scopes: []string{"profile", "email"}, NameClaim: "preferred_username",
	}}})
	f.brokered(t, dex, dexURL+"/auth", dexURL+"/token", url.Values{"connector_id": {"lakekey"}})
}

// brokered signs in at a provider that sends people here.
func (f *front) brokered(t *testing.T, p *idptest.Provider, authorize, token string, more url.Values) {
	t.Helper()
	const back = "http://127.0.0.1:41000/callback"
	q := f.ask(verifier, "client_id", p.Native.ID, "redirect_uri", back, "scope", "openid email profile")
	for name, values := range more {
		q[name] = values
	}
	visitor, err := p.Visit()
	require.NoError(t, err)
	here, err := visitor.SignIn(t.Context(), authorize+"?"+q.Encode(), f.url+"/authorize")
	require.NoError(t, err)
	there := f.open(t, here.String())["at"].(string)
	u, err := visitor.SignIn(t.Context(), there, back)
	require.NoError(t, err)
	require.NotEmpty(t, u.Query().Get("code"), u)
	resp, err := http.PostForm(token, url.Values{"grant_type": {"authorization_code"}, "client_id": {p.Native.ID}, "code": {u.Query().Get("code")}, "redirect_uri": {back}, "code_verifier": {verifier}})
	require.NoError(t, err)
	defer resp.Body.Close()
	var body map[string]any
	require.NoError(t, json.NewDecoder(resp.Body).Decode(&body))
	require.Equal(t, http.StatusOK, resp.StatusCode, "%v", body)
	_, claims := decode(t, body["id_token"].(string))
	require.Equal(t, p.Issuer, claims["iss"])
	require.Equal(t, ada, claims["email"])
}

// TestKeycloakBrokers: so does Keycloak.
func TestKeycloakBrokers(t *testing.T) {
	keycloak := idptest.Keycloak(t, idptest.KeycloakOptions{})
	broker := keycloak.NewBroker()
	f := newLiveFront(t, issuer.Client{ID: "keycloak", Name: "Keycloak", RedirectURIs: []string{broker.RedirectURI}, InsecureBearer: true})
	there := broker.Connect(t, idptest.Connector{Issuer: f.url, Client: idptest.Client{ID: "keycloak"}, Scopes: []string{"profile", "email"}})
	at := keycloak.Issuer + "/protocol/openid-connect"
	f.brokered(t, &keycloak.Provider, at+"/auth", at+"/token", there)
}
