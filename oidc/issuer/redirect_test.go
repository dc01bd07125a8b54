package issuer_test

import (
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/oidc/issuer"
)

func TestRegisteredRedirectURIs(t *testing.T) {
	for _, good := range []string{
		"https://wiki.example.com/callback", "https://wiki.example.com", "https://wiki.example.com:8443/cb?tenant=1",
		"http://127.0.0.1/cb", "http://[::1]/cb", "http://127.0.0.1:8020/cb", "http://localhost:8020", "com.example.app:/cb", "com.example.app://x/cb",
	} {
		require.NoError(t, issuer.CheckRedirectURI(good), good)
	}
	for _, bad := range []string{
		"", "callback", "/callback", "//wiki.example.com/callback", "wiki.example.com/callback", "http://wiki.example.com/callback",
		"https://wiki.example.com/callback#x", "https://wiki.example.com/#", "https://ada@wiki.example.com/cb", "https://*.example.com/cb", "https://wiki.example.com/*",
		"https://wiki.example.com/a b", "https://wiki.example.com/\n", "https://", "https:///cb", "javascript:alert(1)", "data:text/html,x", "app:/cb", "file:///etc/passwd",
		"http://localhost/cb", "https://wiki.example.com/cb?state=x", "https://wiki.example.com/cb?code=x", "https://wiki.example.com/cb?x=%zz&iss=1", "com.example.app:",
		"https://wiki.example.com/" + strings.Repeat("x", 2048),
	} {
		require.Error(t, issuer.CheckRedirectURI(bad), bad)
	}
}

// FuzzRedirectAllowed: what is let through leads where the registered URI leads,
// to the same host and path, whoever parses it.
func FuzzRedirectAllowed(f *testing.F) {
	registered := []string{"https://wiki.example.com/callback", "http://127.0.0.1/callback", "http://[::1]:80/callback?x=1"}
	for _, seed := range append(registered, "http://127.0.0.1:65535/callback", "http://127.0.0.1:80@evil/callback", "http://127.0.0.1:1/callback?x", "http://[::1]:9/callback?x=1", "http://127.0.0.1:") {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, asked string) {
		if !issuer.RedirectAllowed(registered, asked) {
			return
		}
		u, err := url.Parse(asked)
		if err != nil && strings.Contains(err.Error(), "invalid port") {
			return // more than there are; no browser goes there either
		}
		require.NoError(t, err)
		require.Nil(t, u.User)
		require.Empty(t, u.Fragment)
		require.Equal(t, "/callback", u.Path)
		if u.Scheme == "https" {
			require.Equal(t, registered[0], asked)
			return
		}
		host, err := netip.ParseAddr(u.Hostname())
		require.NoError(t, err)
		require.True(t, host.IsLoopback(), asked)
	})
}

// FuzzParseClaims: what is refused asks for nothing, and what is taken asks for
// no more than there can be.
func FuzzParseClaims(f *testing.F) {
	for _, seed := range []string{
		`{}`, `null`, `[]`, `{"id_token":{"acr":{"essential":true,"values":["phrh","phr"]},"auth_time":null}}`, `{"userinfo":{"email":null,"sub":{"value":"ada"}}}`,
		`{"id_token":{"sub":{"value":1}}}`, `{"id_token":{"acr":null,"email":"x"}}`, `{"id_token":null,"userinfo":{"preferred_username":{"essential":true}}}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		acr, subject, idToken, userinfo, err := issuer.ParseClaims(s)
		if err != nil {
			require.Empty(t, acr)
			require.Empty(t, subject)
			require.Empty(t, idToken)
			require.Empty(t, userinfo)
			return
		}
		require.LessOrEqual(t, len(acr), 16)
		for _, name := range append(idToken, userinfo...) {
			require.Contains(t, []string{"email", "preferred_username"}, name)
		}
		require.LessOrEqual(t, len(idToken), 2, "no name twice")
	})
}
