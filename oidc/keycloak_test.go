package oidc_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/internal/browser"
	"github.com/lakekey/lakekey/internal/idptest"
	"github.com/lakekey/lakekey/oidc"
	"github.com/lakekey/lakekey/oidc/assurance"
)

// surfer is the person at Keycloak, in Chromium with a security key.
type surfer struct {
	page *browser.Page
	do   []func(*browser.Page) // what Keycloak's pages ask for, in this order
}

func (s surfer) Open(_ context.Context, address string) error {
	s.page.Open(address)
	for _, do := range s.do {
		do(s.page)
	}
	return nil
}

func surf(t *testing.T) *browser.Page {
	t.Helper()
	page := browser.Start(t).Page(t)
	page.PlugIn(browser.KeyOptions{Verifies: true})
	return page
}

// Keycloak asks for a password and a security key, and says so; what it says holds
// for every token of the session. It is asked for phr alone: for phrh, which its
// realm does not know, it shows a page from which no way leads back.
func TestKeycloakStepUp(t *testing.T) {
	p := idptest.Keycloak(t, idptest.KeycloakOptions{})
	page, at := surf(t), discovered(t, &p.Provider)
	asking := oidc.SignInRequest{ClientID: p.Native.ID, Assurance: assurance.Keycloak(assurance.KeycloakOptions{})}
	signIn := func(do ...func(*browser.Page)) *oidc.IDToken {
		s, err := oidc.SignInBrowser(t.Context(), at, surfer{page, do}, asking)
		require.NoError(t, err)
		require.Equal(t, p.Person.Subject, s.Subject())
		token, err := s.IDToken(t.Context(), p.Native.ID)
		require.NoError(t, err)
		require.Equal(t, "phr", token.ACR)
		require.WithinDuration(t, time.Now(), token.AuthTime, time.Minute)
		require.NoError(t, s.Close(t.Context()))
		return token
	}
	// Whoever has no key yet registers one behind the password, and acr says phr of
	// that, too: what was used stands in amr only, so that is no sign-in with a key.
	_, err := oidc.SignInBrowser(t.Context(), at, surfer{page, []func(*browser.Page){p.TypePassword, p.RegisterKey}}, asking)
	var short *assurance.Error
	require.ErrorAs(t, err, &short)
	require.Equal(t, []string{"amr", "pwd"}, []string{short.Claim, short.Got})
	require.Equal(t, []string{"pwd", "hwk"}, signIn(p.TypePassword, p.TouchKey).AMR)
}

// A device cannot ask Keycloak for a level, so what it gets is not good enough.
func TestKeycloakDevice(t *testing.T) {
	p := idptest.Keycloak(t, idptest.KeycloakOptions{})
	show := func(ctx context.Context, c oidc.DeviceCode) error {
		v, err := p.Visit()
		require.NoError(t, err)
		return v.Approve(ctx, c.Direct, c.UserCode)
	}
	_, err := oidc.SignInDevice(t.Context(), discovered(t, &p.Provider), show, oidc.SignInRequest{ClientID: p.Device.ID, InsecureDeviceGrant: true})
	var refused *oidc.IDTokenError
	require.ErrorAs(t, err, &refused)
	require.Equal(t, "acr", refused.Check)
}
