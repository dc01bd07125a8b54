package idptest_test

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/internal/idptest"
)

func TestDex(t *testing.T) {
	p := idptest.Dex(t, idptest.DexOptions{})
	require.False(t, discover(t, p).AuthorizationResponseIssIsSupported)
	first := signIn(t, p, strong)
	c := claims(t, first.IDToken)
	require.Equal(t, p.Person.Name, c["email"])
	for _, name := range []string{"acr", "amr", "auth_time"} {
		require.NotContains(t, c, name, "whatever was asked for")
	}
	refresh := func(value string) reply {
		return post(t, discover(t, p).TokenEndpoint, p.Native, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {value}})
	}
	second := refresh(first.RefreshToken)
	require.Equal(t, http.StatusOK, second.Status)
	require.Equal(t, "the-nonce", claims(t, second.IDToken)["nonce"])
	require.Equal(t, "invalid_request", refresh(first.RefreshToken).Error, "not invalid_grant")
	require.Equal(t, http.StatusOK, refresh(second.RefreshToken).Status)
}

// Dex consumes what panva issues.
func TestDexBrokersPanva(t *testing.T) {
	issuer := idptest.Address(t) + "/dex"
	panva := idptest.Panva(t, idptest.PanvaOptions{RS256: true, RedirectURIs: []string{issuer + "/callback"}})
	p := idptest.Dex(t, idptest.DexOptions{Issuer: issuer, Connectors: []idptest.Connector{{
		ID: "panva", Issuer: panva.Issuer, Client: panva.Web, Scopes: []string{"email"}, NameClaim: "email",
	}}})
	c := claims(t, signIn(t, p, nil).IDToken)
	require.Equal(t, panva.Person.Name, c["email"])
	require.Equal(t, p.Issuer, c["iss"])
	require.NotEqual(t, panva.Person.Subject, c["sub"], "Dex makes a name of its own out of it")
}
