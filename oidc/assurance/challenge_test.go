package assurance_test

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/oidc/assurance"
)

func claims(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }

const entraWants = `{"access_token":{"acrs":{"essential":true,"value":"c1"}}}`

func TestParseChallenge(t *testing.T) {
	for name, c := range map[string]struct {
		headers []string
		want    *assurance.Challenge
	}{
		"RFC 9470, acr": {
			[]string{`Bearer error="insufficient_user_authentication", error_description="A different authentication level is required", acr_values="myACR"`},
			&assurance.Challenge{Code: "insufficient_user_authentication", ACR: []string{"myACR"}, Scheme: "Bearer"},
		},
		"RFC 9470, age": {
			[]string{`Bearer error="insufficient_user_authentication", error_description="More recent authentication is required", max_age="5"`},
			&assurance.Challenge{Code: "insufficient_user_authentication", MaxAge: 5 * time.Second, Aged: true, Scheme: "Bearer"},
		},
		"now": {
			[]string{`DPoP algs="ES256",error=insufficient_user_authentication , max_age=0,acr_values = "phr phrh"`},
			&assurance.Challenge{Code: "insufficient_user_authentication", ACR: []string{"phr", "phrh"}, Aged: true, Scheme: "DPoP"},
		},
		"Entra": {
			[]string{`Bearer realm="", authorization_uri="https://login.microsoftonline.com/common/oauth2/authorize", error="insufficient_claims", claims="` + claims(entraWants) + `"`},
			&assurance.Challenge{Code: "insufficient_claims", Claims: entraWants, Scheme: "Bearer"},
		},
		"Entra, unpadded": {
			[]string{`Bearer error="insufficient_claims", claims=` + strings.TrimRight(claims(entraWants), "=")},
			&assurance.Challenge{Code: "insufficient_claims", Claims: entraWants, Scheme: "Bearer"},
		},
		"behind others": {
			[]string{`Negotiate YWJj==, Basic realm="a, Bearer error=\"insufficient_claims\""`, `bearer realm="x", Bearer error="insufficient_user_authentication"`},
			&assurance.Challenge{Code: "insufficient_user_authentication", Scheme: "Bearer"},
		},
		"nothing":          {nil, nil},
		"expired":          {[]string{`Bearer error="invalid_token"`}, nil},
		"in another's":     {[]string{`Basic error="insufficient_user_authentication"`}, nil},
		"in a description": {[]string{`Bearer error="invalid_token", error_description="insufficient_claims"`}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := assurance.ParseChallenge(c.headers)
			require.NoError(t, err)
			if c.want == nil {
				require.Nil(t, got)
				return
			}
			if c.want.ACR == nil {
				c.want.ACR = got.ACR // empty or nil
			}
			require.Equal(t, c.want, got)
			require.Contains(t, got.Error(), "sign in again")
		})
	}
}

func TestParseChallengeRefuses(t *testing.T) {
	const begins = `Bearer error="insufficient_user_authentication", `
	for name, h := range map[string]string{
		"endless":             begins + `acr_values="` + strings.Repeat("a", 20<<10) + `"`,
		"twice":               begins + `acr_values="phr", ACR_VALUES="pwd"`,
		"negative":            begins + `max_age="-1"`,
		"a fraction":          begins + `max_age="1.5"`,
		"too old to be":       begins + `max_age="99999999999999"`,
		"many values":         begins + `acr_values="` + strings.Repeat("a ", 17) + `"`,
		"many parameters":     "Bearer " + strings.Repeat("a=b,", 1) + manyParams(40),
		"no end":              begins + `acr_values="phr`,
		"a control character": begins + "acr_values=\"a\x1b[2J\"",
		"of no scheme":        `error="insufficient_user_authentication"`,
		"without claims":      `Bearer error="insufficient_claims"`,
		"no base64":           `Bearer error="insufficient_claims", claims="***"`,
		"no object":           `Bearer error="insufficient_claims", claims="` + claims(`[]`) + `"`,
		"two of one":          `Bearer error="insufficient_claims", claims="` + claims(`{"a":1,"a":2}`) + `"`,
	} {
		t.Run(name, func(t *testing.T) {
			got, err := assurance.ParseChallenge([]string{h})
			require.Error(t, err)
			require.Nil(t, got)
			require.NotContains(t, err.Error(), "\x1b")
		})
	}
}

func manyParams(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString("p" + strings.Repeat("x", i) + "=1,")
	}
	return b.String()
}

// A challenge makes a profile stricter or is refused, never laxer.
func TestNarrow(t *testing.T) {
	narrow := func(c assurance.Challenge, p assurance.Profile) (assurance.Profile, error) { return c.Narrow(p) }
	p, err := narrow(assurance.Challenge{ACR: []string{"urn:x", "phrh"}, MaxAge: time.Minute, Aged: true}, assurance.Profile{}.Within(time.Hour))
	require.NoError(t, err)
	require.Equal(t, time.Minute, p.Age())
	require.Error(t, p.CheckMethod(assurance.Claims{ACR: "phr", AMR: []string{"pop"}}))
	require.NoError(t, p.CheckMethod(assurance.Claims{ACR: "phrh", AMR: []string{"pop"}}))
	require.Error(t, p.CheckMethod(assurance.Claims{ACR: "phrh"}), "the rest still holds")
	require.NotEqual(t, assurance.Profile{}.Within(time.Hour).Key(), p.Key())
	require.NoError(t, assurance.Profile{}.CheckMethod(assurance.Claims{ACR: "phr", AMR: []string{"pop"}}), "another profile changed")

	p, err = narrow(assurance.Challenge{MaxAge: time.Hour, Aged: true}, assurance.Profile{})
	require.NoError(t, err)
	require.Zero(t, p.Age(), "an old sign-in, where a fresh one was wanted")

	_, err = narrow(assurance.Challenge{ACR: []string{"pwd"}}, assurance.Profile{})
	require.Error(t, err)

	entra := assurance.Entra(assurance.EntraOptions{Tenant: tenant, Context: "c1"})
	_, err = narrow(assurance.Challenge{Claims: entraWants}, entra)
	require.NoError(t, err)
	for _, other := range []string{
		`{"access_token":{"acrs":{"value":"c2"}}}`, `{"access_token":{"acrs":{"values":["c1","c2"]}}}`, `{"access_token":{"acrs":{}}}`,
		`{"access_token":{"nbf":{"value":"1"}}}`, `{"access_token":null}`, `{"access_token":{"acrs":null}}`, `{}`, `{"access_token":1}`,
	} {
		_, err = narrow(assurance.Challenge{Claims: other}, entra)
		require.Error(t, err, other)
	}
	_, err = narrow(assurance.Challenge{Claims: entraWants}, assurance.Profile{})
	require.Error(t, err, "a profile that asks for no context")
}

func FuzzParseChallenge(f *testing.F) {
	for _, s := range []string{
		`Bearer error="insufficient_user_authentication", acr_values="phr", max_age=0`,
		`Negotiate a==, Bearer error="insufficient_claims", claims="` + claims(entraWants) + `"`,
		`Bearer`, `a b c`, `Bearer a="\"", b=c`, `=`, `Basic x`, `,,`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, h string) {
		c, err := assurance.ParseChallenge([]string{h})
		if err != nil || c == nil {
			require.Nil(t, c)
			return
		}
		require.Contains(t, []string{"insufficient_user_authentication", "insufficient_claims"}, c.Code)
		require.LessOrEqual(t, len(c.ACR), 16)
		require.GreaterOrEqual(t, c.MaxAge, time.Duration(0))
		require.True(t, c.Claims == "" || json.Valid([]byte(c.Claims)))
		for _, r := range c.Error() {
			require.True(t, ' ' <= r, "it steers a terminal")
		}
		if p, err := c.Narrow(assurance.Profile{}); err == nil {
			require.Error(t, p.CheckMethod(assurance.Claims{ACR: "phr", AMR: []string{"pwd"}}))
		}
	})
}
