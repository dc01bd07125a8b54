package mds_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"math/big"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/fido/mds"
	"github.com/lakekey/lakekey/fido/mds/mdstest"
)

// authority issues whatever the test wants, for what package mdstest cannot make.
type authority struct {
	t    *testing.T
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

func newAuthority(t *testing.T) *authority {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	a := &authority{t: t, key: key}
	a.cert = a.issue(x509.Certificate{
		Subject: pkix.Name{CommonName: "Authority"}, BasicConstraintsValid: true, IsCA: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}, key.Public())
	return a
}

func (a *authority) issue(c x509.Certificate, key crypto.PublicKey) *x509.Certificate {
	c.SerialNumber, c.NotBefore, c.NotAfter = big.NewInt(5), day("2020-01-01"), day("2040-01-01")
	parent := a.cert
	if parent == nil {
		parent = &c
	}
	der, err := x509.CreateCertificate(rand.Reader, &c, parent, key, a.key)
	require.NoError(a.t, err)
	made, err := x509.ParseCertificate(der)
	require.NoError(a.t, err)
	return made
}

// blob is signed by key, with a certificate made from the template.
func (a *authority) blob(alg string, c x509.Certificate, key crypto.Signer) []byte {
	header, err := json.Marshal(map[string]any{"alg": alg, "x5c": mdstest.X5C(a.issue(c, key.Public()))})
	require.NoError(a.t, err)
	text, err := json.Marshal(payload(7))
	require.NoError(a.t, err)
	signed := b64.EncodeToString(header) + "." + b64.EncodeToString(text)
	hash := sha256.Sum256([]byte(signed))
	var signature []byte
	if k, ok := key.(*ecdsa.PrivateKey); ok {
		r, s, err := ecdsa.Sign(rand.Reader, k, hash[:])
		require.NoError(a.t, err)
		size := (k.Params().BitSize + 7) / 8
		signature = append(r.FillBytes(make([]byte, size)), s.FillBytes(make([]byte, size))...)
	} else {
		signature, err = key.Sign(rand.Reader, hash[:], crypto.SHA256)
		require.NoError(a.t, err)
	}
	return []byte(signed + "." + b64.EncodeToString(signature))
}

func TestUnfitSigner(t *testing.T) {
	a := newAuthority(t)
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	require.NoError(t, err)
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	require.NoError(t, err)
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	require.NoError(t, err)
	signer := x509.Certificate{DNSNames: []string{mdstest.Host}}
	of := func(f func(*x509.Certificate)) x509.Certificate { c := signer; f(&c); return c }
	for name, c := range map[string]struct {
		alg      string
		template x509.Certificate
		key      crypto.Signer
		check    string
	}{
		"fit":                     {"ES256", signer, p256, ""},
		"fit for signatures":      {"ES256", of(func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageDigitalSignature }), p256, ""},
		"for another use":         {"ES256", of(func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageKeyAgreement }), p256, "chain"},
		"an authority":            {"ES256", of(func(c *x509.Certificate) { c.BasicConstraintsValid, c.IsCA = true, true }), p256, "chain"},
		"a name in the subject":   {"ES256", x509.Certificate{Subject: pkix.Name{CommonName: mdstest.Host}}, p256, "host"},
		"another curve":           {"ES256", signer, p384, "signature"},
		"a smaller curve":         {"ES256", signer, p224, "signature"},
		"an alg for that curve":   {"ES384", signer, p384, "header"},
		"a short RSA key":         {"RS256", signer, small, "signature"},
		"a wildcard for the site": {"ES256", x509.Certificate{DNSNames: []string{"*.fidoalliance.org"}}, p256, ""},
	} {
		t.Run(name, func(t *testing.T) {
			b, err := mds.Parse(a.blob(c.alg, c.template, c.key), mds.ParseOptions{Roots: []*x509.Certificate{a.cert}, Now: day("2030-01-01")})
			if c.check == "" {
				require.NoError(t, err)
				return
			}
			requireRefused(t, b, err, c.check)
		})
	}
}

// TestListIsAbout: a list says for which certificates it speaks.
func TestListIsAbout(t *testing.T) {
	a := newAuthority(t)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	user := a.issue(x509.Certificate{Subject: pkix.Name{CommonName: "User"}}, key.Public())
	ca := a.issue(x509.Certificate{Subject: pkix.Name{CommonName: "CA"}, BasicConstraintsValid: true, IsCA: true}, key.Public())
	scope := []int{2, 5, 29, 28}
	for name, c := range map[string]struct {
		extension      *pkix.Extension
		forUser, forCA bool
	}{
		"everybody":               {nil, true, true},
		"people":                  {&pkix.Extension{Id: scope, Critical: true, Value: []byte{0x30, 3, 0x81, 1, 0xff}}, true, false},
		"authorities":             {&pkix.Extension{Id: scope, Critical: true, Value: []byte{0x30, 3, 0x82, 1, 0xff}}, false, true},
		"some reasons":            {&pkix.Extension{Id: scope, Critical: true, Value: []byte{0x30, 4, 0x83, 2, 6, 0x40}}, false, false},
		"others' certificates":    {&pkix.Extension{Id: scope, Critical: true, Value: []byte{0x30, 3, 0x84, 1, 0xff}}, false, false},
		"attributes":              {&pkix.Extension{Id: scope, Critical: true, Value: []byte{0x30, 3, 0x85, 1, 0xff}}, false, false},
		"the place it is at":      {&pkix.Extension{Id: scope, Critical: true, Value: []byte{0x30, 9, 0xa0, 7, 0xa0, 5, 0x86, 3, 'a', ':', 'b'}}, true, true},
		"unreadable":              {&pkix.Extension{Id: scope, Critical: true, Value: []byte{1}}, false, false},
		"something critical":      {&pkix.Extension{Id: []int{2, 5, 29, 99}, Critical: true, Value: []byte{5, 0}}, false, false},
		"something not that much": {&pkix.Extension{Id: []int{2, 5, 29, 99}, Value: []byte{5, 0}}, true, true},
	} {
		list := &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: day("2030-01-01"), NextUpdate: day("2030-02-01")}
		if c.extension != nil {
			list.ExtraExtensions = []pkix.Extension{*c.extension}
		}
		der, err := x509.CreateRevocationList(rand.Reader, list, a.cert, a.key)
		require.NoError(t, err)
		for cert, good := range map[*x509.Certificate]bool{user: c.forUser, ca: c.forCA} {
			revoked, err := mds.Listed(der, cert, a.cert, "here", day("2030-01-15"))
			require.False(t, revoked)
			require.Equal(t, good, err == nil, "%s, %s: %v", name, cert.Subject.CommonName, err)
		}
	}
}

// TestRedirects: the two hosts of the FIDO Alliance may send us to each other.
func TestRedirects(t *testing.T) {
	ca := mdstest.New(t, mdstest.Options{})
	for _, c := range []struct {
		from, to string
		followed bool
	}{
		{"https://mds3.fidoalliance.org/", "https://mds.fidoalliance.org/blob", true},
		{"https://mds.example.com/", "https://mds.example.com/blob", true},
		{"https://mds.example.com/", "https://mds.fidoalliance.org/", false},
		{"https://mds3.fidoalliance.org/", "https://mds.example.com/", false},
		{"https://mds3.fidoalliance.org/", "http://mds.fidoalliance.org/", false},
		{"https://mds3.fidoalliance.org/", "http://mds3.fidoalliance.org/", false},
		{"https://mds3.fidoalliance.org/", "https://mds3.fidoalliance.org:444/", false},
	} {
		s := newSource(t, mds.SourceConfig{URL: c.from, Roots: ca.Roots(), InsecureSkipRevocation: true, HTTPClient: &http.Client{
			Timeout: time.Nanosecond, // overruled
			Transport: transport(func(r *http.Request) (*http.Response, error) {
				if r.URL.String() == c.to {
					return respond(200, ca.Blob(t, payload(7)))
				}
				response, err := respond(302, nil)
				response.Header.Set("Location", c.to)
				return response, err
			}),
		}})
		err := s.Refresh(t.Context())
		require.Equal(t, c.followed, err == nil, "%s to %s: %v", c.from, c.to, err)
		if err != nil {
			require.ErrorContains(t, err, "another origin")
		}
	}
}
