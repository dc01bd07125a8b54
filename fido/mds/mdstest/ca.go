package mdstest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/fido/mds"
)

// Host is the name in the signer's certificate, unless Options say otherwise.
const Host = "mds.fidoalliance.org"

// Options change what an authority makes. The zero value makes what the service
// of the FIDO Alliance has: a root, an intermediate and a signer for its host.
type Options struct {
	Algorithm string    // "ES256" (the default), "RS256" or "PS256"
	Host      string    // in the signer's certificate; "" means Host
	CRLURL    string    // the revocation lists' address: CRLURL+"/signer.crl" and "/intermediate.crl"
	NotBefore time.Time // of the signer; zero means 1999
	NotAfter  time.Time // of the signer; zero means 2200
}

// CA is an authority that signs metadata.
type CA struct {
	algorithm                  string
	rootKey, intermediateKey   *ecdsa.PrivateKey
	signerKey                  crypto.Signer
	root, intermediate, signer *x509.Certificate
}

// New makes an authority. Its certificates are valid for longer than any test's
// clock goes.
func New(t testing.TB, o Options) *CA {
	t.Helper()
	if o.Algorithm == "" {
		o.Algorithm = "ES256"
	}
	if o.Host == "" {
		o.Host = Host
	}
	from, to := time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC)
	if o.NotBefore.IsZero() {
		o.NotBefore = from
	}
	if o.NotAfter.IsZero() {
		o.NotAfter = to
	}
	ca := &CA{algorithm: o.Algorithm, rootKey: ecKey(t), intermediateKey: ecKey(t)}
	if o.Algorithm == "ES256" {
		ca.signerKey = ecKey(t)
	} else {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		require.NoError(t, err)
		ca.signerKey = key
	}
	points := func(name string) []string {
		if o.CRLURL == "" {
			return nil
		}
		return []string{o.CRLURL + "/" + name + ".crl"}
	}
	authority := x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Metadata Test Root"}, NotBefore: from, NotAfter: to,
		BasicConstraintsValid: true, IsCA: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	ca.root = issue(t, authority, nil, ca.rootKey.Public(), ca.rootKey)
	authority.SerialNumber, authority.Subject.CommonName = big.NewInt(2), "Metadata Test Intermediate"
	authority.CRLDistributionPoints = points("intermediate")
	ca.intermediate = issue(t, authority, ca.root, ca.intermediateKey.Public(), ca.rootKey)
	ca.signer = issue(t, x509.Certificate{
		SerialNumber: big.NewInt(3), Subject: pkix.Name{CommonName: o.Host}, DNSNames: []string{o.Host},
		NotBefore: o.NotBefore, NotAfter: o.NotAfter, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, CRLDistributionPoints: points("signer"),
	}, ca.intermediate, ca.signerKey.Public(), ca.intermediateKey)
	return ca
}

// Roots returns what a reader of this authority's metadata must trust.
func (ca *CA) Roots() []*x509.Certificate { return []*x509.Certificate{ca.root} }

// Chain returns the signer's certificate, the intermediate and the root.
func (ca *CA) Chain() []*x509.Certificate {
	return []*x509.Certificate{ca.signer, ca.intermediate, ca.root}
}

// Blob signs a payload.
func (ca *CA) Blob(t testing.TB, p Payload) []byte {
	t.Helper()
	text, err := json.Marshal(p)
	require.NoError(t, err)
	return ca.Sign(t, ca.Header(), text)
}

// Parse signs a payload and reads it back.
func (ca *CA) Parse(t testing.TB, p Payload) *mds.Blob {
	t.Helper()
	b, err := mds.Parse(ca.Blob(t, p), mds.ParseOptions{Roots: ca.Roots()})
	require.NoError(t, err)
	return b
}

// Source returns a source that is offline and has this metadata.
func (ca *CA) Source(t testing.TB, p Payload) *mds.Source {
	t.Helper()
	file := filepath.Join(t.TempDir(), "blob.jwt")
	require.NoError(t, os.WriteFile(file, ca.Blob(t, p), 0o600))
	s, err := mds.NewSource(mds.SourceConfig{File: file, Offline: true, Roots: ca.Roots()})
	require.NoError(t, err)
	return s
}

// Header returns the header that Blob writes: alg, typ and x5c with the signer
// and the intermediate.
func (ca *CA) Header() map[string]any {
	return map[string]any{"alg": ca.algorithm, "typ": "JWT", "x5c": X5C(ca.signer, ca.intermediate)}
}

// X5C encodes certificates as a header has them.
func X5C(chain ...*x509.Certificate) []string {
	var x5c []string
	for _, c := range chain {
		x5c = append(x5c, base64.StdEncoding.EncodeToString(c.Raw))
	}
	return x5c
}

// Sign signs any payload under any header, with the signer's key and the
// authority's algorithm, whatever the header says.
func (ca *CA) Sign(t testing.TB, header map[string]any, payload []byte) []byte {
	t.Helper()
	h, err := json.Marshal(header)
	require.NoError(t, err)
	return ca.SignText(t, h, payload)
}

// SignText is Sign for a header that is not, or not only, a JSON object.
func (ca *CA) SignText(t testing.TB, header, payload []byte) []byte {
	t.Helper()
	text := base64.RawURLEncoding.EncodeToString(header) + "." + base64.RawURLEncoding.EncodeToString(payload)
	hash := sha256.Sum256([]byte(text))
	var signature []byte
	switch key := ca.signerKey.(type) {
	case *ecdsa.PrivateKey:
		r, s, err := ecdsa.Sign(rand.Reader, key, hash[:])
		require.NoError(t, err)
		signature = append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
	default:
		var o crypto.SignerOpts = crypto.SHA256
		if ca.algorithm == "PS256" {
			o = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: crypto.SHA256}
		}
		var err error
		signature, err = ca.signerKey.Sign(rand.Reader, hash[:], o)
		require.NoError(t, err)
	}
	return []byte(text + "." + base64.RawURLEncoding.EncodeToString(signature))
}

// CRL returns a revocation list, of the intermediate for its signers or, if root
// is set, of the root for the intermediate. Revoked says whether the one it is
// about is on it.
func (ca *CA) CRL(t testing.TB, root, revoked bool, thisUpdate, nextUpdate time.Time) []byte {
	t.Helper()
	list := &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: thisUpdate, NextUpdate: nextUpdate}
	issuer, key, about := ca.intermediate, ca.intermediateKey, ca.signer
	if root {
		issuer, key, about = ca.root, ca.rootKey, ca.intermediate
	}
	list.RevokedCertificateEntries = []x509.RevocationListEntry{{SerialNumber: big.NewInt(99), RevocationTime: thisUpdate}}
	if revoked {
		list.RevokedCertificateEntries = append(list.RevokedCertificateEntries, x509.RevocationListEntry{SerialNumber: about.SerialNumber, RevocationTime: thisUpdate})
	}
	der, err := x509.CreateRevocationList(rand.Reader, list, issuer, key)
	require.NoError(t, err)
	return der
}

func ecKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	return key
}

// issue makes a certificate; one without an issuer signs itself.
func issue(t testing.TB, c x509.Certificate, issuer *x509.Certificate, key crypto.PublicKey, with crypto.Signer) *x509.Certificate {
	t.Helper()
	if issuer == nil {
		issuer = &c
	}
	der, err := x509.CreateCertificate(rand.Reader, &c, issuer, key, with)
	require.NoError(t, err)
	made, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return made
}
