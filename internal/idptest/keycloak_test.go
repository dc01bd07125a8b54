package idptest_test

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/internal/browser"
	"github.com/lakekey/lakekey/internal/idptest"
)

func TestKeycloakPassword(t *testing.T) {
	p := idptest.Keycloak(t, idptest.KeycloakOptions{})
	m := discover(t, &p.Provider)
	require.True(t, m.AuthorizationResponseIssIsSupported)
	first := signIn(t, &p.Provider, nil)
	c := claims(t, first.IDToken)
	require.Equal(t, p.Person.Subject, c["sub"])
	require.Equal(t, p.Person.Name, c["email"])
	require.Equal(t, "pwd", c["acr"])
	require.Equal(t, []any{"pwd"}, c["amr"])
	require.Equal(t, c["iat"], c["auth_time"])

	refresh := func(value string) reply {
		return post(t, m.TokenEndpoint, p.Native, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {value}})
	}
	second := refresh(first.RefreshToken)
	require.Equal(t, http.StatusOK, second.Status)
	require.NotContains(t, claims(t, second.IDToken), "nonce")
	require.Equal(t, "invalid_grant", refresh(first.RefreshToken).Error)
	require.Equal(t, "invalid_grant", refresh(second.RefreshToken).Error, "a used token takes its family along")
}

// surfer is a person at Keycloak in a real browser.
type surfer struct {
	t    *testing.T
	at   *idptest.KeycloakProvider
	page *browser.Page
	back *inbox
}

func surf(t *testing.T, p *idptest.KeycloakProvider) *surfer {
	page := browser.Start(t).Page(t)
	page.PlugIn(browser.KeyOptions{Verifies: true})
	return &surfer{t, p, page, listen(t)}
}

// signIn asks Keycloak, does what its pages ask for, and returns the tokens.
func (s *surfer) signIn(more url.Values, do ...func(*browser.Page)) reply {
	s.t.Helper()
	// With offline_access Keycloak forgets the person's browser session.
	address, redeem := request(s.t, &s.at.Provider, s.back.uri, url.Values{"scope": {"openid"}})
	s.page.Open(address + "&" + more.Encode())
	for _, do := range do {
		do(s.page)
	}
	answer := <-s.back.answers
	require.NotEmpty(s.t, answer.Get("code"), "%v", answer)
	require.Equal(s.t, s.at.Issuer, answer.Get("iss"))
	redeem.Set("code", answer.Get("code"))
	r := post(s.t, discover(s.t, &s.at.Provider).TokenEndpoint, s.at.Native, redeem)
	require.Equal(s.t, http.StatusOK, r.Status, r.Error)
	return r
}

// essential asks for an acr that must be.
func essential(acr string) url.Values {
	return url.Values{"claims": {`{"id_token":{"acr":{"essential":true,"values":["` + acr + `"]}}}`}}
}

// What Keycloak says about a login, step by step: the assurance profile for it
// rests on this.
func TestKeycloakStepUp(t *testing.T) {
	p := idptest.Keycloak(t, idptest.KeycloakOptions{Enrols: true})
	s := surf(t, p)
	token := discover(t, &p.Provider).TokenEndpoint

	password := s.signIn(nil, p.TypePassword, p.RegisterKey)
	c := claims(t, password.IDToken)
	require.Equal(t, "pwd", c["acr"])
	require.Equal(t, []any{"pwd"}, c["amr"])

	strong := claims(t, s.signIn(essential("phr"), p.TouchKey).IDToken)
	require.Equal(t, "phr", strong["acr"])
	require.Equal(t, []any{"pwd", "hwk"}, strong["amr"])
	require.Equal(t, c["sid"], strong["sid"])

	// Nobody is asked again while level 2 is fresh, and auth_time is that of the key.
	again := claims(t, s.signIn(essential("phr")).IDToken)
	require.Equal(t, "phr", again["acr"])
	require.Equal(t, strong["auth_time"], again["auth_time"])
	require.Equal(t, "phr", claims(t, s.signIn(nil).IDToken)["acr"], "nobody asked for it")
	require.Equal(t, "phr", claims(t, s.signIn(url.Values{"acr_values": {"gold"}}).IDToken)["acr"], "an acr that it does not know is not asked for")

	// The refresh token of the weak login yields strong tokens once the person has
	// stepped up in the same browser session.
	risen := claims(t, post(t, token, p.Native, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {password.RefreshToken}}).IDToken)
	require.Equal(t, "phr", risen["acr"])
	require.Equal(t, strong["auth_time"], risen["auth_time"])

	c = claims(t, s.signIn(url.Values{"prompt": {"login"}, "claims": essential("phr")["claims"]}, p.TypePassword, p.TouchKey).IDToken)
	require.Equal(t, "phr", c["acr"])
	require.GreaterOrEqual(t, c["auth_time"], strong["auth_time"])

	// An essential acr that the realm does not know ends on a page of Keycloak's:
	// whoever asked hears nothing.
	address, _ := request(t, &p.Provider, s.back.uri, essential("gold"))
	s.page.Open(address)
	s.page.WaitFor("body", "Invalid parameter: claims")
}

// A person without a key who is asked for one registers one, after the password
// alone. acr then says phr: only amr tells that no key was used.
func TestKeycloakEnrolsInStepUp(t *testing.T) {
	p := idptest.Keycloak(t, idptest.KeycloakOptions{})
	s := surf(t, p)
	c := claims(t, s.signIn(essential("phr"), p.TypePassword, p.RegisterKey).IDToken)
	require.Equal(t, "phr", c["acr"])
	require.Equal(t, []any{"pwd"}, c["amr"])
	c = claims(t, s.signIn(url.Values{"prompt": {"login"}, "claims": essential("phr")["claims"]}, p.TypePassword, p.TouchKey).IDToken)
	require.Equal(t, []any{"pwd", "hwk"}, c["amr"])
}
