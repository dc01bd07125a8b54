package idptest_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/internal/idptest"
)

func TestZitadel(t *testing.T) {
	p := idptest.Zitadel(t)
	require.True(t, strings.HasSuffix(p.Issuer, "/"))
	first := signIn(t, p, nil)
	c := claims(t, first.IDToken)
	require.Equal(t, p.Person.Subject, c["sub"])
	require.Equal(t, []any{"pwd"}, c["amr"])
	require.Equal(t, []any{p.Native.ID}, c["aud"], "an array, where others write a string")

	second := post(t, discover(t, p).TokenEndpoint, p.Native, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {first.RefreshToken}})
	require.Equal(t, http.StatusOK, second.Status)
	refreshed := claims(t, second.IDToken)
	require.Equal(t, c["auth_time"], refreshed["auth_time"])
	require.NotContains(t, refreshed, "nonce")
}
