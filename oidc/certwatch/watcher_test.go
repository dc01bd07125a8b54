package certwatch_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/oidc/certwatch"
)

var start = time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC)

const day = 24 * time.Hour

// certificate is one that is good for a time from start, in base64.
func certificate(t testing.TB, name string, life time.Duration) string {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: start.Add(-day), NotAfter: start.Add(life)}
	der, err := x509.CreateCertificate(rand.Reader, c, c, k.Public(), k)
	require.NoError(t, err)
	return base64.StdEncoding.EncodeToString(der)
}

func jwks(t testing.TB, chains ...[]string) []byte {
	t.Helper()
	keys := []map[string]any{{"kty": "EC", "kid": "without"}}
	for _, x5c := range chains {
		keys = append(keys, map[string]any{"kty": "EC", "x5c": x5c})
	}
	b, err := json.Marshal(map[string]any{"keys": keys})
	require.NoError(t, err)
	return b
}

func saml(certificates ...string) []byte {
	var b strings.Builder
	b.WriteString(`<md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" xmlns:ds="http://www.w3.org/2000/09/xmldsig#" entityID="idp">` +
		`<ds:Signature><ds:KeyInfo><ds:X509Data><ds:X509Certificate>of the document itself</ds:X509Certificate></ds:X509Data></ds:KeyInfo></ds:Signature><md:IDPSSODescriptor>`)
	for _, c := range certificates {
		b.WriteString(`<md:KeyDescriptor use="signing"><ds:KeyInfo><ds:X509Data><ds:X509Certificate>` + "\n  " + c[:40] + "\n\t" + c[40:] + "\n" + `</ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>`)
	}
	b.WriteString(`</md:IDPSSODescriptor></md:EntityDescriptor>`)
	return []byte(b.String())
}

// TestWatch: each certificate is warned of at 30, 14 and 7 days and when it has
// expired, once.
func TestWatch(t *testing.T) {
	old, next, ca := certificate(t, "old", 40*day), certificate(t, "next", 400*day), certificate(t, "CA", day)
	documents := map[string][]byte{"/jwks": jwks(t, []string{old, ca}), "/saml": saml(certificate(t, "saml", 20*day))}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if d, there := documents[r.URL.Path]; there {
			_, _ = w.Write(d)
			return
		}
		http.Redirect(w, r, "/jwks", http.StatusFound)
	}))
	t.Cleanup(server.Close)
	now := start
	var lines []string
	var warned []certwatch.Warning
	measured := map[string]int{}
	w, err := certwatch.New([]certwatch.Source{
		{"Okta", server.URL + "/jwks", certwatch.JWKS}, {"ADFS", server.URL + "/saml", certwatch.SAML}, {"lost", server.URL + "/away", certwatch.JWKS},
	}, certwatch.Options{
		Now:     func() time.Time { return now },
		Measure: func(c certwatch.Certificate, days int) { measured[c.Subject] = days },
		Warn: func(_ context.Context, w certwatch.Warning) {
			warned, lines = append(warned, w), append(lines, w.String())
		},
	})
	require.NoError(t, err)
	check := func() []string {
		lines = nil
		found, err := w.Check(t.Context())
		require.ErrorContains(t, err, "certwatch: lost: ")
		require.ErrorContains(t, err, "answered 302")
		require.NotEmpty(t, found)
		for n := range found[1:] {
			require.False(t, found[n].NotAfter.After(found[n+1].NotAfter))
		}
		return lines
	}
	said := check()
	require.Len(t, said, 1, "40 days are enough")
	require.Contains(t, said[0], `ADFS: the certificate "CN=saml"`)
	require.Contains(t, said[0], "expires in 20 days, on 2026-11-22; no successor is published")
	require.Equal(t, map[string]int{"CN=old": 40, "CN=saml": 20}, measured)
	require.Empty(t, check())

	counts := map[string]int{}
	documents["/jwks"] = jwks(t, []string{old}, []string{next})
	for range 45 {
		now = now.Add(day)
		for range 2 {
			check()
		}
	}
	for _, w := range warned {
		counts[w.Certificate.Subject]++
		require.Equal(t, w.Certificate.Subject == "CN=old", w.Successor)
	}
	require.Equal(t, map[string]int{"CN=old": 4, "CN=saml": 4}, counts)
	require.Contains(t, warned[len(warned)-1].String(), "has expired, on 2026-12-12; a successor is published")
	require.Equal(t, -5, measured["CN=old"])
}

func TestUnreadable(t *testing.T) {
	for _, document := range []string{"", "{}", "[]", `{"keys":[{"x5c":["*"]}]}`, `{"keys":[{"x5c":["AAAA"]}]}`, `{"keys":[{"x5c":"AAAA"}]}`} {
		_, err := certwatch.ParseJWKS([]byte(document))
		require.Error(t, err, document)
	}
	for _, document := range []string{"", "text", "<a>", "<!DOCTYPE a [<!ENTITY b SYSTEM \"file:///etc/passwd\">]><a>&b;</a>", string(saml(strings.Repeat("A", 80)))} {
		_, err := certwatch.ParseSAML([]byte(document))
		require.Error(t, err, document)
	}
	for want, s := range map[string]certwatch.Source{"the URL of": {"a", "http://idp.example.com/", certwatch.JWKS}, `the kind of "a" is "x"`: {"a", "https://idp.example.com/", "x"}} {
		_, err := certwatch.New([]certwatch.Source{s}, certwatch.Options{})
		require.ErrorContains(t, err, want)
	}
}

// FuzzParse: what is taken for a certificate is named and has an end, and comes once.
func FuzzParse(f *testing.F) {
	c := certificate(f, "idp", day)
	f.Add(jwks(f, []string{c}))
	f.Add(saml(c, c))
	f.Fuzz(func(t *testing.T, document []byte) {
		for _, parse := range []func([]byte) ([]certwatch.Certificate, error){certwatch.ParseJWKS, certwatch.ParseSAML} {
			found, err := parse(document)
			require.True(t, err == nil || found == nil)
			seen := map[string]bool{}
			for _, c := range found {
				require.Len(t, c.SHA256, 64)
				require.False(t, seen[c.SHA256])
				seen[c.SHA256] = true
			}
		}
	})
}
