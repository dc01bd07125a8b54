package idptest_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/internal/idptest"
)

// strong asks for a phishing-resistant login in all three ways, since panva puts
// into the ID token only what it was asked for.
var strong = url.Values{
	"acr_values": {"phr"}, "max_age": {"60"},
	"claims": {`{"id_token":{"acr":{"essential":true,"values":["phr"]},"amr":null,"auth_time":{"essential":true}}}`},
}

func TestPanvaSaysHowAndWhen(t *testing.T) {
	p := idptest.Panva(t, idptest.PanvaOptions{})
	require.True(t, discover(t, &p.Provider).AuthorizationResponseIssIsSupported)
	c := claims(t, signIn(t, &p.Provider, strong).IDToken)
	require.Equal(t, p.Person.Subject, c["sub"])
	require.Equal(t, "phr", c["acr"])
	require.Contains(t, c["amr"], "hwk")
	require.WithinDuration(t, time.Now(), time.Unix(int64(c["auth_time"].(float64)), 0), time.Minute)

	c = claims(t, signIn(t, &p.Provider, nil).IDToken)
	for _, name := range []string{"acr", "amr", "auth_time"} {
		require.NotContains(t, c, name, "nobody asked for it")
	}
}

func TestPanvaKnobs(t *testing.T) {
	p := idptest.Panva(t, idptest.PanvaOptions{RS256: true})
	idToken := func(k idptest.Knobs) map[string]any {
		t.Helper()
		p.Set(t, k)
		return claims(t, signIn(t, &p.Provider, url.Values{"acr_values": {"phr"}, "claims": {`{"id_token":{"auth_time":null,"amr":null}}`}}).IDToken)
	}
	require.Equal(t, "urn:okta:loa:1fa:any", idToken(idptest.Knobs{Login: idptest.Login{ACR: "urn:okta:loa:1fa:any"}})["acr"])
	require.Equal(t, "bob@example.com", idToken(idptest.Knobs{Login: idptest.Login{Account: "bob@example.com"}})["sub"])
	require.Equal(t, []any{"pwd"}, idToken(idptest.Knobs{Login: idptest.Login{AMR: []string{"pwd"}}})["amr"])
	old := idToken(idptest.Knobs{Login: idptest.Login{Age: 2 * time.Hour}})["auth_time"].(float64)
	require.WithinDuration(t, time.Now().Add(-2*time.Hour), time.Unix(int64(old), 0), time.Minute)
	c := idToken(idptest.Knobs{IDToken: idptest.Alteration{Set: map[string]any{"azp": "other"}, Remove: []string{"nonce"}, Text: `"x":1`}, Lifetime: time.Minute})
	require.Equal(t, "other", c["azp"])
	require.Equal(t, 1.0, c["x"])
	require.NotContains(t, c, "nonce")
	require.Equal(t, 60.0, c["exp"].(float64)-c["iat"].(float64))
	require.Equal(t, "phr", idToken(idptest.Knobs{})["acr"], "and all is as it was")

	p.Set(t, idptest.Knobs{Answer: map[string]string{"iss": "https://else.example", "extra": "1"}, Omit: []string{"state"}})
	answer, _ := ask(t, &p.Provider, nil)
	require.Equal(t, "https://else.example", answer.Get("iss"))
	require.False(t, answer.Has("state"))

	p.Set(t, idptest.Knobs{Login: idptest.Login{ACR: "urn:okta:loa:1fa:any"}})
	answer, _ = ask(t, &p.Provider, strong)
	require.Equal(t, "unmet_authentication_requirements", answer.Get("error"))

	wait := 7
	p.Set(t, idptest.Knobs{Faults: map[string]idptest.Fault{"/jwks": {Status: http.StatusServiceUnavailable, RetryAfter: &wait}}})
	before := p.Requests(t)["/jwks"]
	resp, err := http.Get(p.Issuer + "/jwks")
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusServiceUnavailable, resp.StatusCode)
	require.Equal(t, "7", resp.Header.Get("Retry-After"))
	require.Equal(t, before+1, p.Requests(t)["/jwks"])
}

// Whoever brings a used refresh token ends the session of everybody who has one of
// that family.
func TestPanvaNoticesReuse(t *testing.T) {
	p := idptest.Panva(t, idptest.PanvaOptions{})
	token := discover(t, &p.Provider).TokenEndpoint
	refresh := func(value string) reply {
		return post(t, token, p.Native, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {value}})
	}
	first := signIn(t, &p.Provider, nil)
	second := refresh(first.RefreshToken)
	require.Equal(t, http.StatusOK, second.Status)
	require.NotEqual(t, first.RefreshToken, second.RefreshToken)
	require.Equal(t, "invalid_grant", refresh(first.RefreshToken).Error)
	require.Equal(t, "invalid_grant", refresh(second.RefreshToken).Error)
}

func TestPanvaPushedRequest(t *testing.T) {
	p := idptest.Panva(t, idptest.PanvaOptions{})
	pushed := post(t, discover(t, &p.Provider).PushedAuthorizationRequestEndpoint, p.Native, url.Values{
		"response_type": {"code"}, "redirect_uri": {redirectURI}, "scope": {"openid"}, "code_challenge": {"E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"}, "code_challenge_method": {"S256"},
	})
	require.Equal(t, http.StatusCreated, pushed.Status, pushed.Error)
	visitor, err := p.Visit()
	require.NoError(t, err)
	answer, err := visitor.SignIn(t.Context(), discover(t, &p.Provider).AuthorizationEndpoint+"?"+url.Values{"client_id": {p.Native.ID}, "request_uri": {pushed.RequestURI}}.Encode(), redirectURI)
	require.NoError(t, err)
	require.NotEmpty(t, answer.Query().Get("code"))
}

// openid-client, which nobody here wrote either, finds its way about.
func TestNodeHasThePackages(t *testing.T) {
	p := idptest.Panva(t, idptest.PanvaOptions{})
	out, err := idptest.Node(t.Context(), t, `
		import * as client from 'openid-client';
		import * as jose from 'jose';
		const [issuer, id] = process.argv.slice(2);
		const found = await client.discovery(new URL(issuer), id, undefined, client.None(), { execute: [client.allowInsecureRequests] });
		console.log(JSON.stringify({ issuer: found.serverMetadata().issuer, jose: typeof jose.jwtVerify }));
	`, p.Issuer, p.Native.ID).Output()
	require.NoError(t, err)
	var said map[string]string
	require.NoError(t, json.Unmarshal(out, &said))
	require.Equal(t, map[string]string{"issuer": p.Issuer, "jose": "function"}, said)
}
