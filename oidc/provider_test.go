package oidc_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/oidc"
	"github.com/lakekey/lakekey/oidc/oidctest"
)

func TestIssuers(t *testing.T) {
	for issuer, good := range map[string]bool{
		"https://idp.example":            true,
		"https://idp.example/tenant/1":   true,
		"https://idp.example/":           true,
		"http://localhost:8080":          true,
		"http://127.0.0.1:1":             true,
		"http://[::1]:1":                 true,
		"http://idp.example":             false,
		"http://localhost.evil.example":  false,
		"http://169.254.169.254":         false,
		"https://idp.example?tenant=1":   false,
		"https://idp.example#x":          false,
		"https://user:pw@idp.example":    false,
		"ftp://idp.example":              false,
		"file:///etc/passwd":             false,
		"idp.example":                    false,
		"https://":                       false,
		"":                               false,
		"https://idp.example\n.evil.com": false,
	} {
		asked := false
		_, err := oidc.Discover(t.Context(), issuer, oidc.Options{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			asked = true
			require.True(t, strings.HasSuffix(r.URL.Path, "/.well-known/openid-configuration"))
			require.NotContains(t, r.URL.Path, "//")
			return nil, http.ErrHandlerTimeout
		})})
		require.Error(t, err)
		require.Equal(t, good, asked, "%q: %v", issuer, err)
		require.NotContains(t, err.Error(), "pw")
	}
}

func TestDiscoveryDocuments(t *testing.T) {
	const start = `{"issuer":"https://idp.example/t1","jwks_uri":"https://idp.example/keys"`
	for name, c := range map[string]struct {
		doc    string
		reason string
	}{
		"least":                         {start + `}`, ""},
		"all":                           {start + `,"token_endpoint":"https://idp.example/token","authorization_challenge_endpoint":"https://idp.example:443/c","revocation_endpoint":"https://IDP.example/r"}`, ""},
		"null endpoint":                 {start + `,"token_endpoint":null}`, ""},
		"issuer without the path":       {`{"issuer":"https://idp.example","jwks_uri":"https://idp.example/keys"}`, "another issuer"},
		"issuer with a slash":           {`{"issuer":"https://idp.example/t1/","jwks_uri":"https://idp.example/keys"}`, "another issuer"},
		"issuer in another case":        {`{"issuer":"https://IDP.example/t1","jwks_uri":"https://idp.example/keys"}`, "another issuer"},
		"issuer template":               {`{"issuer":"https://idp.example/{tenantid}","jwks_uri":"https://idp.example/keys"}`, "another issuer"},
		"issuer twice":                  {`{"issuer":"https://evil.example",` + start[1:] + `}`, "same name"},
		"no issuer":                     {`{"jwks_uri":"https://idp.example/keys"}`, "another issuer"},
		"no keys":                       {`{"issuer":"https://idp.example/t1"}`, "jwks_uri"},
		"keys elsewhere":                {`{"issuer":"https://idp.example/t1","jwks_uri":"https://keys.example/keys"}`, "not the issuer's origin"},
		"keys on another port":          {`{"issuer":"https://idp.example/t1","jwks_uri":"https://idp.example:8443/keys"}`, "not the issuer's origin"},
		"keys without TLS":              {`{"issuer":"https://idp.example/t1","jwks_uri":"http://idp.example/keys"}`, "http is for loopback"},
		"keys in a subdomain":           {`{"issuer":"https://idp.example/t1","jwks_uri":"https://a.idp.example/keys"}`, "not the issuer's origin"},
		"keys in a file":                {`{"issuer":"https://idp.example/t1","jwks_uri":"file:///etc/passwd"}`, "jwks_uri"},
		"token at the cloud's metadata": {start + `,"token_endpoint":"http://169.254.169.254/token"}`, "http is for loopback"},
		"token with a user":             {start + `,"token_endpoint":"https://idp.example@evil.example/"}`, "user name"},
		"token not a string":            {start + `,"token_endpoint":["https://idp.example/token"]}`, "not a string"},
		"token relative":                {start + `,"token_endpoint":"/token"}`, "token_endpoint"},
		"challenge elsewhere":           {start + `,"authorization_challenge_endpoint":"https://evil.example/c"}`, "not the issuer's origin"},
		"not JSON":                      {`<html>`, "not a JSON object"},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := oidc.Discover(t.Context(), "https://idp.example/t1", oidc.Options{Transport: inProcess{body(200, c.doc)}})
			if c.reason == "" {
				require.NoError(t, err)
				require.Equal(t, "https://idp.example/t1", p.Issuer())
				_, err = oidc.SignIn(t.Context(), p, noKey{t}, oidc.SignInRequest{ClientID: client, Audience: audience})
				require.Error(t, err)
				return
			}
			require.ErrorContains(t, err, c.reason)
			require.Nil(t, p)
		})
	}
}

func TestDiscoveryStatus(t *testing.T) {
	_, err := oidc.Discover(t.Context(), local, oidc.Options{Transport: inProcess{body(404, `{"issuer":"`+local+`"}`)}})
	require.ErrorContains(t, err, "404")
}

// A GET may move, but only within the issuer's origin, and not in circles.
func TestDiscoveryRedirects(t *testing.T) {
	idp, err := oidctest.New(oidctest.Options{})
	require.NoError(t, err)
	var strayed atomic.Int64
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { strayed.Add(1); idp.ServeHTTP(w, r) }))
	defer elsewhere.Close()
	for target, good := range map[string]bool{
		"/moved/.well-known/openid-configuration":                 true,
		elsewhere.URL + oidctest.DiscoveryPath:                    false,
		"http://169.254.169.254/.well-known/openid-configuration": false,
		"file:///etc/passwd":                                      false,
		"/.well-known/openid-configuration":                       false, // for ever
	} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == oidctest.DiscoveryPath {
				http.Redirect(w, r, target, http.StatusFound)
				return
			}
			r.URL.Path = strings.TrimPrefix(r.URL.Path, "/moved")
			idp.ServeHTTP(w, r)
		}))
		_, err := oidc.Discover(t.Context(), srv.URL, oidc.Options{})
		require.Equal(t, good, err == nil, "%s: %v", target, err)
		srv.Close()
	}
	require.Zero(t, strayed.Load())
}

func TestHungDiscoveryEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hung := inProcess{http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })}
		start := time.Now()
		_, err := oidc.Discover(t.Context(), local, oidc.Options{Transport: hung})
		require.ErrorContains(t, err, "no answer in time")
		require.Equal(t, 15*time.Second, time.Since(start))

		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		start = time.Now()
		_, err = oidc.Discover(ctx, local, oidc.Options{Transport: hung})
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, 100*time.Millisecond, time.Since(start))
	})
}

// No more is read of anyone than the limit, however much is offered.
func TestReadsAreBounded(t *testing.T) {
	idp, err := oidctest.New(oidctest.Options{})
	require.NoError(t, err)
	for fault, limit := range map[oidctest.Fault]int64{oidctest.HugeDiscovery: 256 << 10, oidctest.HugeKeys: 256 << 10, oidctest.HugeResponse: 64 << 10} {
		t.Run(string(fault), func(t *testing.T) {
			idp.Heal()
			idp.Inject(fault)
			var most atomic.Int64
			counting := roundTripper(func(r *http.Request) (*http.Response, error) {
				resp, err := inProcess{idp}.RoundTrip(r)
				if err == nil {
					resp.Body = &counted{ReadCloser: resp.Body, most: &most}
				}
				return resp, err
			})
			p, err := oidc.Discover(t.Context(), local, oidc.Options{Transport: counting})
			if err == nil {
				_, err = oidc.SignIn(t.Context(), p, &oidctest.Key{}, oidc.SignInRequest{ClientID: client, Audience: audience})
			}
			require.ErrorContains(t, err, "longer than")
			require.LessOrEqual(t, most.Load(), limit+1)
		})
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
