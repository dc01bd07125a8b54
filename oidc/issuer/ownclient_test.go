package issuer_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/oidc"
	"github.com/lakekey/lakekey/oidc/assurance"
	"github.com/lakekey/lakekey/oidc/issuer"
)

// opens is the browser of a person with a key.
type opens func(address string)

func (o opens) Open(_ context.Context, address string) error { o(address); return nil }

// The client side of this library, which shares no code with this one, by browser
// and by device: sessions that yield tokens for an audience of the client's.
func TestOwnClient(t *testing.T) {
	f := newLiveFront(t, issuer.Client{ID: "lakekey", Audiences: []string{audience}, RedirectURIs: []string{"http://127.0.0.1/callback"}, Device: true, PushedOnly: true})
	found, err := oidc.Discover(t.Context(), f.url, oidc.Options{})
	require.NoError(t, err)
	request := oidc.SignInRequest{ClientID: "lakekey", Audience: audience, Assurance: assurance.Lakekey(assurance.PhishingResistant), InsecureDeviceGrant: true}
	use := func(s *oidc.Session, err error) {
		t.Helper()
		require.NoError(t, err)
		require.Equal(t, ada, s.Subject())
		for _, aud := range []string{audience, "lakekey", audience} {
			token, err := s.IDToken(t.Context(), aud)
			require.NoError(t, err)
			require.Equal(t, "phr", token.ACR)
		}
		require.NoError(t, s.Close(t.Context()))
		kept, err := f.store.SessionByID(t.Context(), s.ID())
		require.NoError(t, err)
		require.False(t, kept.Ended.IsZero())
	}
	use(oidc.SignInBrowser(t.Context(), found, opens(func(address string) {
		require.Contains(t, address, "request_uri=")
		back, _ := f.open(t, address)["at"].(string)
		resp, err := http.Get(back)
		require.NoError(t, err)
		page, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, http.StatusOK, resp.StatusCode, string(page))
	}), request))
	use(oidc.SignInDevice(t.Context(), found, func(_ context.Context, d oidc.DeviceCode) error {
		require.True(t, strings.HasPrefix(d.Direct, f.url+"/device?user_code="), d.Direct)
		f.touch(t, f.codePage(t, d.UserCode))
		return nil
	}, request))
}
