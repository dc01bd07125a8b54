package assurance_test

import (
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/oidc/assurance"
)

var asked = time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)

const tenant = "8d3f0c52-6a1e-4b0f-9d6c-2f1f5a7c9e10"

// answer is what a provider could say, and the claim that makes it worthless; empty:
// it is what was asked for.
type answer struct {
	says   assurance.Claims
	refuse string
}

func fresh(c assurance.Claims) assurance.Claims {
	if c.AuthTime.IsZero() {
		c.AuthTime = asked.Add(time.Second)
	}
	return c
}

var tables = map[string]struct {
	profile assurance.Profile
	answers map[string]answer
}{
	"nothing said": {assurance.Profile{}, map[string]answer{
		"phr by a key":       {assurance.Claims{ACR: "phr", AMR: []string{"pop", "user"}}, ""},
		"phrh by a key":      {assurance.Claims{ACR: "phrh", AMR: []string{"hwk"}}, ""},
		"acr alone":          {assurance.Claims{ACR: "phr"}, "amr"},
		"phr by a password":  {assurance.Claims{ACR: "phr", AMR: []string{"pwd"}}, "amr"},
		"phr by a code":      {assurance.Claims{ACR: "phr", AMR: []string{"pwd", "otp", "mfa"}}, "amr"},
		"amr alone":          {assurance.Claims{AMR: []string{"pop", "hwk"}}, "acr"},
		"another case":       {assurance.Claims{ACR: "PHR", AMR: []string{"pop"}}, "acr"},
		"nearly":             {assurance.Claims{ACR: "phr ", AMR: []string{"pop"}}, "acr"},
		"both in one":        {assurance.Claims{ACR: "phr phrh", AMR: []string{"pop"}}, "acr"},
		"amr in one":         {assurance.Claims{ACR: "phr", AMR: []string{"pop user"}}, "amr"},
		"a cookie":           {assurance.Claims{ACR: "0", AMR: []string{"pop"}}, "acr"},
		"Okta's weaker word": {assurance.Claims{ACR: "urn:okta:loa:1fa:any", AMR: []string{"pop"}}, "acr"},
	}},
	"EAP phrh": {assurance.EAP(assurance.HardwareProtected), map[string]answer{
		"hardware":   {assurance.Claims{ACR: "phrh", AMR: []string{"hwk"}}, ""},
		"downgraded": {assurance.Claims{ACR: "phr", AMR: []string{"hwk"}}, "acr"},
	}},
	"lakekey phr": {assurance.Lakekey(assurance.PhishingResistant), map[string]answer{
		"a key":         {assurance.Claims{ACR: "phr", AMR: []string{"pop", "user", "mfa"}}, ""},
		"another level": {assurance.Claims{ACR: "phrh", AMR: []string{"hwk"}}, "acr"},
		"a password":    {assurance.Claims{ACR: "phr", AMR: []string{"pwd"}}, "amr"},
	}},
	"Okta phr": {assurance.Okta(assurance.PhishingResistant), map[string]answer{
		"WebAuthn":              {assurance.Claims{ACR: "phr", AMR: []string{"pop"}}, ""},
		"amr is only a remark":  {assurance.Claims{ACR: "phr"}, ""},
		"ignored without words": {assurance.Claims{ACR: "urn:okta:loa:2fa:any", AMR: []string{"pop", "mfa"}}, "acr"},
		"FastPass for a key":    {assurance.Claims{ACR: "phrh", AMR: []string{"okta_verify", "phr"}}, "acr"},
		"amr in acr's place":    {assurance.Claims{AMR: []string{"phr"}}, "acr"},
	}},
	"Okta phrh": {assurance.Okta(assurance.HardwareProtected), map[string]answer{
		"FastPass": {assurance.Claims{ACR: "phrh", AMR: []string{"okta_verify", "phr"}}, ""},
		"a key":    {assurance.Claims{ACR: "phr", AMR: []string{"hwk", "pop"}}, "acr"},
	}},
	"Entra": {assurance.Entra(assurance.EntraOptions{Tenant: tenant, Context: "c1"}), map[string]answer{
		"the context":      {assurance.Claims{ACRS: []string{"p1", "c1"}, Tenant: tenant}, ""},
		"no context":       {assurance.Claims{AMR: []string{"fido", "mfa"}, Tenant: tenant}, "acrs"},
		"another context":  {assurance.Claims{ACRS: []string{"c10", "C1"}, Tenant: tenant}, "acrs"},
		"another tenant":   {assurance.Claims{ACRS: []string{"c1"}, Tenant: "00000000-6a1e-4b0f-9d6c-2f1f5a7c9e10"}, "tid"},
		"no tenant":        {assurance.Claims{ACRS: []string{"c1"}}, "tid"},
		"acr of v1 tokens": {assurance.Claims{ACR: "1", AMR: []string{"fido"}, Tenant: tenant}, "acrs"},
		"acr in its place": {assurance.Claims{ACR: "c1", Tenant: tenant}, "acrs"},
	}},
	"Keycloak": {assurance.Keycloak(assurance.KeycloakOptions{}), map[string]answer{
		"a key":              {assurance.Claims{ACR: "phr", AMR: []string{"pwd", "hwk"}}, ""},
		"a key just made":    {assurance.Claims{ACR: "phr", AMR: []string{"pwd"}}, "amr"},
		"acr alone":          {assurance.Claims{ACR: "phr"}, "amr"},
		"a cookie":           {assurance.Claims{ACR: "0", AMR: []string{"hwk"}}, "acr"},
		"a lower level":      {assurance.Claims{ACR: "1", AMR: []string{"hwk"}}, "acr"},
		"another reference":  {assurance.Claims{ACR: "phr", AMR: []string{"pop"}}, "amr"},
		"part of a longer":   {assurance.Claims{ACR: "phr", AMR: []string{"hwkx"}}, "amr"},
		"reference as acr":   {assurance.Claims{ACR: "hwk", AMR: []string{"phr"}}, "acr"},
		"the level's number": {assurance.Claims{ACR: "3", AMR: []string{"hwk"}}, "acr"},
	}},
	"Auth0": {assurance.Auth0(assurance.Auth0Options{Claim: "https://a.example/key", Value: "yes"}), map[string]answer{
		"the Action says so":   {assurance.Claims{AMR: []string{"mfa"}, Named: map[string][]string{"https://a.example/key": {"yes"}}}, ""},
		"any factor":           {assurance.Claims{AMR: []string{"mfa"}}, "https://a.example/key"},
		"the Action says no":   {assurance.Claims{AMR: []string{"mfa"}, Named: map[string][]string{"https://a.example/key": {"no"}}}, "https://a.example/key"},
		"another claim":        {assurance.Claims{AMR: []string{"mfa"}, Named: map[string][]string{"key": {"yes"}}}, "https://a.example/key"},
		"without amr":          {assurance.Claims{Named: map[string][]string{"https://a.example/key": {"yes"}}}, "amr"},
		"acr in amr's place":   {assurance.Claims{ACR: "http://schemas.openid.net/pape/policies/2007/06/multi-factor"}, "amr"},
		"a password and claim": {assurance.Claims{AMR: []string{"pwd"}, Named: map[string][]string{"https://a.example/key": {"yes"}}}, "amr"},
	}},
	"Auth0, MFA only": {assurance.Auth0(assurance.Auth0Options{InsecureMFAOnly: true}), map[string]answer{
		"any factor": {assurance.Claims{AMR: []string{"mfa"}}, ""},
		"a password": {assurance.Claims{AMR: []string{"pwd"}}, "amr"},
	}},
	"Ping": {assurance.Ping(assurance.PingOptions{ACR: "KeyJourney", AMR: "webauthn"}), map[string]answer{
		"the journey":     {assurance.Claims{ACR: "KeyJourney", AMR: []string{"webauthn"}}, ""},
		"without acr":     {assurance.Claims{AMR: []string{"webauthn"}}, "acr"},
		"another journey": {assurance.Claims{ACR: "Login", AMR: []string{"webauthn"}}, "acr"},
		"without amr":     {assurance.Claims{ACR: "KeyJourney"}, "amr"},
	}},
}

// What providers could say, profile by profile: downgraded, ignored, half-said.
func TestCheck(t *testing.T) {
	for name, table := range tables {
		for what, a := range table.answers {
			t.Run(name+"/"+what, func(t *testing.T) {
				err := table.profile.Check(fresh(a.says), asked)
				require.Equal(t, err, table.profile.CheckMethod(a.says))
				if a.refuse == "" {
					require.NoError(t, err)
					return
				}
				var short *assurance.Error
				require.ErrorAs(t, err, &short)
				require.Equal(t, table.profile.Name(), short.Profile)
				require.Equal(t, a.refuse, short.Claim)
			})
		}
	}
}

// Every profile wants to know when.
func TestFreshness(t *testing.T) {
	for name, table := range tables {
		for what, a := range table.answers {
			if a.refuse != "" {
				continue
			}
			t.Run(name+"/"+what, func(t *testing.T) {
				p, says := table.profile, a.says
				refused := func(p assurance.Profile, at time.Time) {
					says.AuthTime = at
					var short *assurance.Error
					require.ErrorAs(t, p.Check(says, asked), &short)
					require.Equal(t, "auth_time", short.Claim)
				}
				refused(p, time.Time{})
				refused(p, asked.Add(-2*time.Hour))
				refused(p.Within(time.Hour), asked.Add(-2*time.Hour))
				refused(p.Within(-time.Hour), asked.Add(-2*time.Minute))
				refused(p.Within(365*24*time.Hour), asked.Add(-25*time.Hour))
				says.AuthTime = asked.Add(-50 * time.Minute)
				require.NoError(t, p.Within(time.Hour).Check(says, asked))
				require.Zero(t, p.Age(), "Within changed the profile itself")
			})
		}
	}
}

func TestNothingCanBeProven(t *testing.T) {
	everything := fresh(assurance.Claims{
		ACR: "phr", AMR: []string{"pop", "hwk", "mfa", ""}, ACRS: []string{"c1", ""}, Tenant: tenant, Named: map[string][]string{"": {""}},
	})
	for name, p := range map[string]assurance.Profile{
		"Google":               assurance.Google(),
		"a level of nobody's":  assurance.EAP("urn:okta:loa:1fa:any"),
		"two levels":           assurance.Lakekey("phr phrh"),
		"Okta's weaker words":  assurance.Okta("urn:okta:loa:2fa:any"),
		"Entra's any tenant":   assurance.Entra(assurance.EntraOptions{Tenant: "common", Context: "c1"}),
		"Entra's no context":   assurance.Entra(assurance.EntraOptions{Tenant: tenant}),
		"Entra's odd context":  assurance.Entra(assurance.EntraOptions{Tenant: tenant, Context: "c0"}),
		"Keycloak's cookie":    assurance.Keycloak(assurance.KeycloakOptions{ACR: "0"}),
		"Keycloak's password":  assurance.Keycloak(assurance.KeycloakOptions{Reference: "pwd"}),
		"Auth0 as it is":       assurance.Auth0(assurance.Auth0Options{}),
		"Auth0 by half":        assurance.Auth0(assurance.Auth0Options{Claim: "https://a.example/key"}),
		"Auth0 by sub":         assurance.Auth0(assurance.Auth0Options{Claim: "sub", Value: "x"}),
		"Auth0 of two minds":   assurance.Auth0(assurance.Auth0Options{Claim: "https://a.example/key", Value: "x", InsecureMFAOnly: true}),
		"Ping without journey": assurance.Ping(assurance.PingOptions{AMR: "webauthn"}),
		"Ping without node":    assurance.Ping(assurance.PingOptions{ACR: "KeyJourney"}),
		"Ping's code":          assurance.Ping(assurance.PingOptions{ACR: "KeyJourney", AMR: "otp"}),
	} {
		t.Run(name, func(t *testing.T) {
			var why *assurance.Error
			require.ErrorAs(t, p.Refusal(), &why)
			require.Greater(t, len(why.Reason), 20)
			require.Error(t, p.Check(everything, asked))
			require.Error(t, p.Within(time.Hour).Check(everything, asked))
			_, err := p.Parameters(assurance.Support{Claims: true})
			require.Error(t, err)
			_, err = (&assurance.Challenge{Code: "insufficient_user_authentication"}).Narrow(p)
			require.Error(t, err)
		})
	}
}

// A request asks by every word that the provider could listen to.
func TestParameters(t *testing.T) {
	values := func(p assurance.Profile, s assurance.Support) url.Values {
		v, err := p.Parameters(s)
		require.NoError(t, err)
		return v
	}
	v := values(assurance.Profile{}, assurance.Support{Claims: true})
	require.Equal(t, url.Values{
		"acr_values": {"phrh phr"}, "max_age": {"0"},
		"claims": {`{"id_token":{"acr":{"essential":true,"values":["phrh","phr"]},"amr":null,"auth_time":{"essential":true}}}`},
	}, v)
	v = values(assurance.Okta("").Within(time.Hour), assurance.Support{})
	require.Equal(t, url.Values{"acr_values": {"phr"}, "max_age": {"3600"}}, v)
	v = values(assurance.Entra(assurance.EntraOptions{Tenant: tenant, Context: "c7"}), assurance.Support{})
	require.Equal(t, url.Values{"max_age": {"0"}, "claims": {`{"id_token":{"acrs":{"essential":true,"value":"c7"},"auth_time":{"essential":true}}}`}}, v)
	v = values(assurance.Auth0(assurance.Auth0Options{InsecureMFAOnly: true}), assurance.Support{})
	require.Equal(t, "http://schemas.openid.net/pape/policies/2007/06/multi-factor", v.Get("acr_values"))

	// Nobody is asked for what is not offered.
	require.Equal(t, "phr", values(assurance.Profile{}, assurance.Support{ACRs: []string{"phr", "pwd"}}).Get("acr_values"))
	_, err := assurance.EAP("phrh").Parameters(assurance.Support{ACRs: []string{"phr", "pwd"}})
	var short *assurance.Error
	require.ErrorAs(t, err, &short)
	require.Equal(t, "acr_values_supported", short.Claim)
}

// Sessions are kept apart by the key: equal for equal demands and for no others.
func TestKeysDiffer(t *testing.T) {
	seen := map[string]string{}
	add := func(name string, p assurance.Profile) {
		require.Empty(t, seen[p.Key()], "%s has the key of", name)
		seen[p.Key()] = name
	}
	for name, table := range tables {
		add(name, table.profile)
		add(name+" within an hour", table.profile.Within(time.Hour))
	}
	add("another context", assurance.Entra(assurance.EntraOptions{Tenant: tenant, Context: "c2"}))
	add("another reference", assurance.Keycloak(assurance.KeycloakOptions{Reference: "fido"}))
	add("another value", assurance.Auth0(assurance.Auth0Options{Claim: "https://a.example/key", Value: "no"}))
	require.Equal(t, assurance.Profile{}.Key(), assurance.EAP("").Key())
	require.Equal(t, assurance.Okta("").Key(), assurance.Okta("phr").Key())
}

// Only what says Insecure can be phished, and every profile says what it is worth.
func TestWords(t *testing.T) {
	for name, table := range tables {
		require.Equal(t, name != "Auth0, MFA only", table.profile.PhishingResistant(), name)
		require.NotEmpty(t, table.profile.Proves(), name)
		require.NotEmpty(t, table.profile.CannotProve(), name)
	}
}

// Whatever a provider says, it is accepted only with the exact words.
func FuzzCheck(f *testing.F) {
	f.Add("phr", "pop", "c1", tenant)
	f.Add("phr", "pwd", "c01", "")
	f.Add("phrh\x00", "hwk", "c1 ", "common")
	f.Fuzz(func(t *testing.T, acr, amr, acrs, tid string) {
		c := fresh(assurance.Claims{ACR: acr, AMR: []string{amr}, ACRS: []string{acrs}, Tenant: tid})
		if (assurance.Profile{}).Check(c, asked) == nil {
			require.Contains(t, []string{"phr", "phrh"}, acr)
			require.Contains(t, []string{"pop", "hwk", "swk", "sc"}, amr)
		}
		if assurance.Keycloak(assurance.KeycloakOptions{}).Check(c, asked) == nil {
			require.Equal(t, []string{"phr", "hwk"}, []string{acr, amr})
		}
		if assurance.Entra(assurance.EntraOptions{Tenant: tenant, Context: "c1"}).Check(c, asked) == nil {
			require.Equal(t, []string{"c1", tenant}, []string{acrs, tid})
		}
		require.Error(t, assurance.Google().Check(c, asked))
	})
}
