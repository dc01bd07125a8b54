package oidc_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/internal/idptest"
	"github.com/lakekey/lakekey/oidc"
)

// guest is the person of a real provider at a browser without a screen.
type guest struct {
	t        testing.TB
	at       *idptest.Provider
	redirect string
}

func (g guest) Open(ctx context.Context, address string) error {
	v, err := g.at.Visit()
	require.NoError(g.t, err)
	back, err := v.SignIn(ctx, address, g.redirect)
	require.NoError(g.t, err)
	status, _, _ := visit(g.t, http.MethodGet, back.String(), back.Host)
	require.Equal(g.t, http.StatusOK, status)
	return nil
}

func discovered(t testing.TB, p *idptest.Provider) *oidc.Provider {
	t.Helper()
	found, err := oidc.Discover(t.Context(), p.Issuer, oidc.Options{})
	require.NoError(t, err)
	return found
}

func signInAt(t testing.TB, p *idptest.Provider, r oidc.SignInRequest) (*oidc.Session, error) {
	t.Helper()
	r.RedirectURL = idptest.Address(t) + "/callback"
	r.ClientID = p.Native.ID
	return oidc.SignInBrowser(t.Context(), discovered(t, p), guest{t, p, r.RedirectURL}, r)
}

func TestPanvaBrowser(t *testing.T) {
	for name, o := range map[string]idptest.PanvaOptions{"ES256": {}, "RS256": {RS256: true}} {
		t.Run(name, func(t *testing.T) {
			p := idptest.Panva(t, o)
			s, err := signInAt(t, &p.Provider, oidc.SignInRequest{})
			require.NoError(t, err)
			require.Equal(t, p.Person.Subject, s.Subject())
			first, err := s.IDToken(t.Context(), p.Native.ID)
			require.NoError(t, err)
			require.Equal(t, "phrh", first.ACR)
			require.WithinDuration(t, time.Now(), first.AuthTime, time.Minute)
			require.Equal(t, 1, p.Requests(t)["/request"], "not pushed, although the provider offers it")

			// Whatever else is asked, its ID tokens are for the client.
			_, err = s.IDToken(t.Context(), "https://a.example")
			var refused *oidc.IDTokenError
			require.ErrorAs(t, err, &refused)
			require.Equal(t, "aud", refused.Check)
			require.NoError(t, s.Close(t.Context()))
		})
	}
}

// A provider that wants its nonce in DPoP proofs, and tokens so short that each
// use renews them.
func TestPanvaRenews(t *testing.T) {
	p := idptest.Panva(t, idptest.PanvaOptions{})
	p.Set(t, idptest.Knobs{DPoPNonce: true, Lifetime: time.Second})
	s, err := signInAt(t, &p.Provider, oidc.SignInRequest{})
	require.NoError(t, err)
	first, err := s.IDToken(t.Context(), p.Native.ID)
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		next, err := s.IDToken(t.Context(), p.Native.ID)
		require.NoError(t, err)
		require.True(t, next.AuthTime.Equal(first.AuthTime))
		return !next.Value.Equal(first.Value)
	}, 30*time.Second, 100*time.Millisecond)
}

func TestPanvaFaults(t *testing.T) {
	p := idptest.Panva(t, idptest.PanvaOptions{})
	for name, c := range map[string]struct {
		knobs idptest.Knobs
		says  string
	}{
		"essential unmet":   {idptest.Knobs{Login: idptest.Login{ACR: "urn:okta:loa:1fa:any"}}, "unmet_authentication_requirements"},
		"acr downgraded":    {idptest.Knobs{IDToken: idptest.Alteration{Set: map[string]any{"acr": "urn:okta:loa:1fa:any"}}}, "acr"},
		"old login":         {idptest.Knobs{IDToken: idptest.Alteration{Set: map[string]any{"auth_time": time.Now().Add(-2 * time.Hour).Unix()}}}, "auth_time"},
		"no nonce":          {idptest.Knobs{IDToken: idptest.Alteration{Remove: []string{"nonce"}}}, "nonce"},
		"another nonce":     {idptest.Knobs{IDToken: idptest.Alteration{Set: map[string]any{"nonce": "n"}}}, "nonce"},
		"sub twice":         {idptest.Knobs{IDToken: idptest.Alteration{Text: `"sub":"mallory"`}}, "format"},
		"a stranger signs":  {idptest.Knobs{IDToken: idptest.Alteration{Stranger: true}}, "refused"},
		"mixed up":          {idptest.Knobs{Answer: map[string]string{"iss": "https://else.example"}}, "another issuer"},
		"no iss":            {idptest.Knobs{Omit: []string{"iss"}}, "(iss)"},
		"declined":          {idptest.Knobs{Login: idptest.Login{Error: "access_denied"}}, "access_denied"},
		"token redirects":   {idptest.Knobs{Faults: map[string]idptest.Fault{"/token": {Redirect: "http://127.0.0.1:1/"}}}, "redirect"},
		"endless token":     {idptest.Knobs{Faults: map[string]idptest.Fault{"/token": {Status: 200, Bytes: 64 << 20}}}, "longer than"},
		"pushing is broken": {idptest.Knobs{Faults: map[string]idptest.Fault{"/request": {Status: 500}}}, "pushed"},
	} {
		t.Run(name, func(t *testing.T) {
			p.Set(t, c.knobs)
			_, err := signInAt(t, &p.Provider, oidc.SignInRequest{})
			require.ErrorContains(t, err, c.says)
			require.NotContains(t, err.Error(), "eyJ")
		})
	}
}

func TestPanvaDevice(t *testing.T) {
	p := idptest.Panva(t, idptest.PanvaOptions{})
	show := func(ctx context.Context, c oidc.DeviceCode) error {
		v, err := p.Visit()
		require.NoError(t, err)
		return v.Approve(ctx, c.Address, c.UserCode)
	}
	s, err := oidc.SignInDevice(t.Context(), discovered(t, &p.Provider), show, oidc.SignInRequest{ClientID: p.Device.ID, InsecureDeviceGrant: true})
	require.NoError(t, err)
	token, err := s.IDToken(t.Context(), p.Device.ID)
	require.NoError(t, err)
	require.Equal(t, "phrh", token.ACR)
}

// Dex and zitadel's example say nothing about how a person signed in, so nothing
// that they sign is good enough.
func TestProvidersThatProveNothing(t *testing.T) {
	for name, p := range map[string]*idptest.Provider{"dex": idptest.Dex(t, idptest.DexOptions{}), "zitadel": idptest.Zitadel(t)} {
		t.Run(name, func(t *testing.T) {
			_, err := signInAt(t, p, oidc.SignInRequest{})
			var refused *oidc.IDTokenError
			require.ErrorAs(t, err, &refused)
			require.Contains(t, []string{"acr", "auth_time"}, refused.Check)
		})
	}
}
