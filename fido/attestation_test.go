package fido_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/fido"
	"github.com/lakekey/lakekey/fido/keypolicy"
)

// authority is a certificate authority of the tests: a manufacturer's, or one
// that somebody has made up.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

func issue(t testing.TB, template *x509.Certificate, by *authority) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template.SerialNumber, template.NotBefore = big.NewInt(time.Now().UnixNano()), time.Now().Add(-time.Hour)
	if template.NotAfter.IsZero() {
		template.NotAfter = time.Now().Add(time.Hour)
	}
	template.BasicConstraintsValid = true
	parent, signer := template, key
	if by != nil {
		parent, signer = by.certificate, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	require.NoError(t, err)
	c, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return &authority{c, key}
}

func newAuthority(t testing.TB, name string, by *authority) *authority {
	return issue(t, &x509.Certificate{Subject: pkix.Name{CommonName: name}, IsCA: true, KeyUsage: x509.KeyUsageCertSign}, by)
}

// leaf issues an attestation certificate that meets §8.2.1.
func (a *authority) leaf(t testing.TB, aaguid [16]byte, more ...pkix.Extension) *authority {
	value, err := asn1.Marshal(aaguid[:])
	require.NoError(t, err)
	return issue(t, &x509.Certificate{
		Subject:         attestationSubject,
		ExtraExtensions: append(more, pkix.Extension{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 45724, 1, 1, 4}, Value: value}),
	}, a)
}

// fipsExtension is what Yubico writes into certificates of its FIPS series.
var fipsExtension = pkix.Extension{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 41482, 12}, Value: []byte{2, 1, 4}}

func packed(t testing.TB, leaf *authority, more ...*authority) func(authData, hash []byte) (string, any) {
	return func(authData, hash []byte) (string, any) {
		x5c := [][]byte{leaf.certificate.Raw}
		for _, m := range more {
			x5c = append(x5c, m.certificate.Raw)
		}
		signer := forge{key: leaf.key, alg: fido.ES256}
		return "packed", map[string]any{"alg": -7, "sig": signer.sign(t, append(append([]byte{}, authData...), hash...)), "x5c": x5c}
	}
}

func packedSelf(t testing.TB, f *forge) func(authData, hash []byte) (string, any) {
	return func(authData, hash []byte) (string, any) {
		return "packed", map[string]any{"alg": int(f.alg), "sig": f.sign(t, append(append([]byte{}, authData...), hash...))}
	}
}

func u2f(t testing.TB, f *forge, leaf *authority) func(authData, hash []byte) (string, any) {
	return func(authData, hash []byte) (string, any) {
		point, err := f.key.Public().(*ecdsa.PublicKey).Bytes()
		require.NoError(t, err)
		signed := append([]byte{0}, authData[:32]...)
		signed = append(append(append(signed, hash...), f.id...), point...)
		signer := forge{key: leaf.key, alg: fido.ES256}
		return "fido-u2f", map[string]any{"sig": signer.sign(t, signed), "x5c": [][]byte{leaf.certificate.Raw}}
	}
}

func TestRootedAttestation(t *testing.T) {
	root := newAuthority(t, "Root", nil)
	soft := newAuthority(t, "Soft root", nil)
	between := newAuthority(t, "Intermediate", root)
	cfg := config()
	cfg.Roots = []fido.Root{{Certificate: soft.certificate}, {Certificate: root.certificate, Hardware: true}}
	cfg.UserVerification = "preferred" // U2F cannot
	rp := party(t, cfg, fido.NewMemoryStore())
	model := [16]byte{1, 2, 3}
	for name, r := range map[string]struct {
		aaguid    [16]byte
		statement func(f *forge) func(authData, hash []byte) (string, any)
		want      keypolicy.AAGUID
		hardware  bool
	}{
		"direct":               {model, func(*forge) func(_, _ []byte) (string, any) { return packed(t, root.leaf(t, model)) }, model, true},
		"over an intermediate": {model, func(*forge) func(_, _ []byte) (string, any) { return packed(t, between.leaf(t, model), between) }, model, true},
		"root sent along":      {model, func(*forge) func(_, _ []byte) (string, any) { return packed(t, root.leaf(t, model), root) }, model, true},
		"software root":        {model, func(*forge) func(_, _ []byte) (string, any) { return packed(t, soft.leaf(t, model)) }, model, false},
		"U2F: the certificate names the model": {
			[16]byte{9}, func(f *forge) func(_, _ []byte) (string, any) { return u2f(t, f, root.leaf(t, model)) }, model, true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			key := newForge(t, fido.ES256)
			key.aaguid = r.aaguid
			c := enrol(t, rp, ana, key, func(d *draft) { d.statement = r.statement(key) })
			require.Equal(t, keypolicy.Rooted, c.Evidence.Verdict, c.Evidence.Note)
			require.Equal(t, r.want, c.Evidence.AAGUID)
			require.Equal(t, r.hardware, c.Evidence.Hardware)
			proof, err := signIn(t, rp, ana, key)
			require.NoError(t, err)
			require.Equal(t, keypolicy.Rooted, proof.Evidence.Verdict)
			require.Equal(t, r.hardware, proof.Evidence.Hardware)
		})
	}
	t.Run("an expired root", func(t *testing.T) {
		later := cfg
		later.Now = func() time.Time { return time.Now().Add(2 * time.Hour) }
		key := newForge(t, fido.ES256)
		key.aaguid = model
		c := enrol(t, party(t, later, fido.NewMemoryStore()), ana, key, func(d *draft) {
			d.statement = packed(t, issue(t, &x509.Certificate{Subject: attestationSubject, NotAfter: time.Now().Add(4 * time.Hour)}, root))
		})
		require.Equal(t, keypolicy.None, c.Evidence.Verdict)
	})
	t.Run("a certificate of another model", func(t *testing.T) {
		key := newForge(t, fido.ES256)
		key.aaguid = yubiKey5FIPS
		_, c := beginRegistration(t, rp, ana)
		_, err := rp.FinishRegistration(t.Context(), c.ID, key.register(t, c.Options, func(d *draft) { d.statement = packed(t, root.leaf(t, model)) }))
		failsCheck(t, err, "attestation")
	})
	t.Run("a long chain", func(t *testing.T) {
		key := newForge(t, fido.ES256)
		key.aaguid = model
		more := make([]*authority, 8)
		for i := range more {
			more[i] = between
		}
		_, c := beginRegistration(t, rp, ana)
		_, err := rp.FinishRegistration(t.Context(), c.ID, key.register(t, c.Options, func(d *draft) { d.statement = packed(t, between.leaf(t, model), more...) }))
		failsCheck(t, err, "attestation")
	})
}
