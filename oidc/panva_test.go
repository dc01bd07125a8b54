package oidc_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/internal/idptest"
	"github.com/lakekey/lakekey/oidc"
)

// Tokens of a real provider, each with one thing wrong and a signature that, but for
// the first rows, is good.
func TestPanvaTokensAreRefused(t *testing.T) {
	p := idptest.Panva(t, idptest.PanvaOptions{})
	now := time.Now()
	set := func(name string, value any) idptest.Alteration {
		return idptest.Alteration{Set: map[string]any{name: value}}
	}
	header := func(name, value string) idptest.Alteration {
		return idptest.Alteration{Header: map[string]any{name: value}}
	}
	for name, c := range map[string]struct {
		wrong idptest.Alteration
		check string
	}{
		"unsigned":                         {header("alg", "none"), "alg"},
		"HS256 with the public key":        {header("alg", "HS256"), "alg"},
		"under a key that nobody has":      {header("kid", "nobody"), "key"},
		"an access token":                  {header("typ", "at+jwt"), "typ"},
		"a logout token":                   {header("typ", "logout+jwt"), "typ"},
		"of another issuer":                {set("iss", p.Issuer+"/"), "iss"},
		"for somebody else":                {set("aud", "other"), "aud"},
		"for us and somebody else":         {set("aud", []string{p.Native.ID, "other"}), "aud"},
		"for another program":              {set("azp", "other"), "azp"},
		"audience written in another case": {idptest.Alteration{Text: `"AUD":"other"`}, "format"},
		"of nobody":                        {idptest.Alteration{Remove: []string{"sub"}}, "sub"},
		"without a time":                   {idptest.Alteration{Remove: []string{"iat"}}, "iat"},
		"from the future":                  {set("iat", now.Add(time.Hour).Unix()), "iat"},
		"from long ago":                    {set("iat", now.AddDate(-10, 0, 0).Unix()), "iat"},
		"expired":                          {set("exp", now.Add(-time.Second).Unix()), "exp"},
		"for ever":                         {set("exp", now.AddDate(400, 0, 0).Unix()), "exp"},
		"not yet":                          {set("nbf", now.Add(time.Hour).Unix()), "nbf"},
		"beside another access token":      {set("at_hash", "AAAAAAAAAAAAAAAAAAAAAA"), "at_hash"},
		"without acr":                      {idptest.Alteration{Remove: []string{"acr"}}, "acr"},
		"nearly the right acr":             {set("acr", "phr "), "acr"},
		"without auth_time":                {idptest.Alteration{Remove: []string{"auth_time"}}, "auth_time"},
	} {
		t.Run(name, func(t *testing.T) {
			p.Set(t, idptest.Knobs{IDToken: c.wrong})
			_, err := signInAt(t, &p.Provider, oidc.SignInRequest{})
			var refused *oidc.IDTokenError
			require.ErrorAs(t, err, &refused)
			require.Equal(t, c.check, refused.Check, "%v", err)
		})
	}
	// The provider itself says that the person signed in two hours ago.
	p.Set(t, idptest.Knobs{Login: idptest.Login{Age: 2 * time.Hour}})
	_, err := signInAt(t, &p.Provider, oidc.SignInRequest{})
	require.ErrorContains(t, err, "auth_time")
	p.Set(t, idptest.Knobs{})
	_, err = signInAt(t, &p.Provider, oidc.SignInRequest{})
	require.NoError(t, err, "nothing is wrong with it")
}

// A provider whose documents are endless, elsewhere or missing.
func TestPanvaDocuments(t *testing.T) {
	p := idptest.Panva(t, idptest.PanvaOptions{})
	other := idptest.Panva(t, idptest.PanvaOptions{})
	for name, c := range map[string]struct {
		fault idptest.Fault
		says  string
	}{
		"endless":   {idptest.Fault{Status: http.StatusOK, Bytes: 64 << 20}, "longer than"},
		"elsewhere": {idptest.Fault{Status: http.StatusFound, Redirect: other.Issuer + "/jwks"}, "redirect"},
		"missing":   {idptest.Fault{Status: http.StatusNotFound}, "404"},
	} {
		t.Run(name, func(t *testing.T) {
			p.Set(t, idptest.Knobs{Faults: map[string]idptest.Fault{"/.well-known/openid-configuration": c.fault}})
			_, err := oidc.Discover(t.Context(), p.Issuer, oidc.Options{})
			require.ErrorContains(t, err, c.says)
			p.Set(t, idptest.Knobs{Faults: map[string]idptest.Fault{"/jwks": c.fault}})
			_, err = signInAt(t, &p.Provider, oidc.SignInRequest{})
			require.ErrorContains(t, err, c.says)
		})
	}
	require.Zero(t, other.Requests(t)["/jwks"])

	// One that never answers is left as soon as the caller has had enough.
	for _, path := range []string{"/.well-known/openid-configuration", "/jwks", "/token", "/request"} {
		t.Run("silent at "+path, func(t *testing.T) {
			p.Set(t, idptest.Knobs{})
			at, redirect := discovered(t, &p.Provider), idptest.Address(t)+"/callback"
			p.Set(t, idptest.Knobs{Faults: map[string]idptest.Fault{path: {Hang: true}}})
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			before := p.Requests(t)[path]
			ended := make(chan error, 1)
			go func() {
				if strings.Contains(path, "openid-configuration") {
					_, err := oidc.Discover(ctx, p.Issuer, oidc.Options{})
					ended <- err
					return
				}
				r := oidc.SignInRequest{ClientID: p.Native.ID, RedirectURL: redirect}
				_, err := oidc.SignInBrowser(ctx, at, guest{t, &p.Provider, r.RedirectURL}, r)
				ended <- err
			}()
			require.Eventually(t, func() bool { return p.Requests(t)[path] > before }, time.Minute, 10*time.Millisecond)
			cancel()
			require.ErrorIs(t, <-ended, context.Canceled)
		})
	}
}

// confused brings the answer of one provider to a sign-in at another, as an attacker
// in the browser can: with the right state, to the right port.
type confused struct {
	t    *testing.T
	from *idptest.PanvaProvider
}

func (c confused) Open(ctx context.Context, address string) error {
	asked, err := url.Parse(address)
	require.NoError(c.t, err)
	q := asked.Query()
	q.Set("client_id", c.from.Native.ID)
	v, err := c.from.Visit()
	require.NoError(c.t, err)
	back, err := v.SignIn(ctx, c.from.Issuer+"/auth?"+q.Encode(), q.Get("redirect_uri"))
	require.NoError(c.t, err)
	require.NotEmpty(c.t, back.Query().Get("code"))
	status, _, _ := visit(c.t, http.MethodGet, back.String(), back.Host)
	require.Equal(c.t, http.StatusOK, status)
	return nil
}

// Dex does not send its name with its answers, panva does. No code of panva's gets to Dex.
func TestProvidersAreNotMixedUp(t *testing.T) {
	panva, dex := idptest.Panva(t, idptest.PanvaOptions{}), idptest.Dex(t, idptest.DexOptions{})
	r := oidc.SignInRequest{ClientID: dex.Native.ID, RedirectURL: idptest.Address(t) + "/callback"}
	_, err := oidc.SignInBrowser(t.Context(), discovered(t, dex), confused{t, panva}, r)
	require.ErrorContains(t, err, "another issuer")
}

// Whoever uses a refresh token twice loses the session at panva: however many ask at
// a time, one renews it for all.
func TestPanvaRenewsOnceForAll(t *testing.T) {
	p := idptest.Panva(t, idptest.PanvaOptions{})
	var ahead atomic.Int64
	at, err := oidc.Discover(t.Context(), p.Issuer, oidc.Options{Now: func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }})
	require.NoError(t, err)
	r := oidc.SignInRequest{ClientID: p.Native.ID, RedirectURL: idptest.Address(t) + "/callback"}
	s, err := oidc.SignInBrowser(t.Context(), at, guest{t, &p.Provider, r.RedirectURL}, r)
	require.NoError(t, err)
	p.Set(t, idptest.Knobs{Lifetime: time.Hour})
	before := p.Requests(t)["/token"]
	ahead.Store(int64(9 * time.Minute)) // the first token has a minute left then
	errs := make(chan error, 20)
	for range 20 {
		go func() {
			_, err := s.IDToken(t.Context(), p.Native.ID)
			errs <- err
		}()
	}
	for range 20 {
		require.NoError(t, <-errs)
	}
	require.Equal(t, before+1, p.Requests(t)["/token"])
	_, err = s.IDToken(t.Context(), p.Native.ID)
	require.NoError(t, err)
}
