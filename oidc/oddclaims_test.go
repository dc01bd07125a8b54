package oidc_test

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/oidc"
	"github.com/lakekey/lakekey/oidc/assurance"
	"github.com/lakekey/lakekey/oidc/oidctest"
)

// Claims that a lenient reader would take for those that were asked for, signed by the
// provider's own key: of every profile's, none is enough.
func TestOddClaimsProveNothing(t *testing.T) {
	const tenant, own = "8d3f0c52-6a1e-4b0f-9d6c-2f1f5a7c9e10", "https://a.example/key"
	many := slices.Repeat([]string{"x"}, 2000)
	for name, c := range map[string]struct {
		profile assurance.Profile
		good    map[string]any // what proves it; without any one of them, nothing does
	}{
		"EAP":       {assurance.EAP(""), map[string]any{"acr": "phr", "amr": []string{"pop"}}},
		"EAP phrh":  {assurance.EAP("phrh"), map[string]any{"acr": "phrh", "amr": []string{"hwk"}}},
		"lakekey":   {assurance.Lakekey("phr"), map[string]any{"acr": "phr", "amr": []string{"pop"}}},
		"Okta":      {assurance.Okta(""), map[string]any{"acr": "phr"}},
		"Okta phrh": {assurance.Okta("phrh"), map[string]any{"acr": "phrh"}},
		"Entra":     {assurance.Entra(assurance.EntraOptions{Tenant: tenant, Context: "c1"}), map[string]any{"acrs": []string{"c1"}, "tid": tenant}},
		"Keycloak":  {assurance.Keycloak(assurance.KeycloakOptions{}), map[string]any{"acr": "phr", "amr": []string{"hwk"}}},
		"Auth0":     {assurance.Auth0(assurance.Auth0Options{Claim: own, Value: "yes"}), map[string]any{"amr": []string{"mfa"}, own: "yes"}},
		"Ping":      {assurance.Ping(assurance.PingOptions{ACR: "KeyJourney", AMR: "webauthn"}), map[string]any{"acr": "KeyJourney", "amr": []string{"webauthn"}}},
	} {
		t.Run(name, func(t *testing.T) {
			idp := newFixture(t, oidctest.Options{})
			try := func(odd map[string]any) error {
				idp.idp.Rewrite(func(claims map[string]any) {
					for _, of := range []string{"acr", "amr"} {
						delete(claims, of)
					}
					maps.Copy(claims, c.good)
					for name, value := range odd {
						if claims[name] = value; value == nil {
							delete(claims, name)
						}
					}
				})
				_, err := oidc.SignIn(t.Context(), idp.provider, idp.key, oidc.SignInRequest{ClientID: client, Audience: audience, Assurance: c.profile})
				return err
			}
			require.NoError(t, try(nil))
			refused := func(what string, odd map[string]any) {
				t.Helper()
				var why *oidc.IDTokenError
				require.ErrorAs(t, try(odd), &why, what)
			}
			for claim, good := range c.good {
				text, single := good.(string)
				if !single {
					text = good.([]string)[0]
				}
				values := map[string]any{
					"missing": nil, "true": true, "1": 1, "an object": map[string]any{text: true}, "empty": "", "no list": []string{},
					"a list in a list": [][]string{{text}}, "a list with null": []any{text, nil}, "a list with a number": []any{text, 1},
					"upper case": []string{strings.ToUpper(text)}, "a blank behind": []string{text + " "}, "a blank between": []string{text + " x"},
					"a zero byte behind": []string{text + "\x00"}, "many others": many,
				}
				if single && claim != own {
					values["a list for a string"] = []string{text}
					values["upper case, alone"] = strings.ToUpper(text) + "X"
					values["a blank behind, alone"] = text + " "
				}
				if !single {
					values["a string for a list"] = text
				}
				for what, value := range values {
					refused(claim+": "+what, map[string]any{claim: value})
				}
				require.Error(t, try(map[string]any{claim: slices.Repeat([]string{text}, 30_000)}), "no token is as long")
				if claim != own {
					refused(claim+" in another case only", map[string]any{claim: nil, strings.ToUpper(claim): good})
					refused(claim+" in another case, too", map[string]any{strings.ToUpper(claim): good})
				}
			}
			now := time.Now()
			for what, value := range map[string]any{
				"missing": nil, "a string": now.Format(time.RFC3339), "digits in a string": "4102444800", "a list": []int64{now.Unix()}, "zero": 0, "before 1970": -1,
				"in an hour": now.Add(time.Hour).Unix(), "a fraction long ago": 1.5, "in milliseconds": now.UnixMilli(), "beyond all time": 1e300, "an hour ago": now.Add(-time.Hour).Unix(), "true": true,
			} {
				refused("auth_time: "+what, map[string]any{"auth_time": value})
			}
			require.NoError(t, try(map[string]any{"auth_time": float64(time.Now().Unix()) + 0.5}), "a NumericDate may have a fraction, RFC 7519 section 2")
		})
	}
}
