package fido_test

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/fido"
)

// statementFunc makes an attestation statement for a draft.
type statementFunc = func(authData, hash []byte) (format string, statement any)

// certify issues a certificate for a key that exists already.
func (a *authority) certify(t testing.TB, public crypto.PublicKey, template *x509.Certificate) *x509.Certificate {
	t.Helper()
	template.SerialNumber, template.NotBefore, template.NotAfter = big.NewInt(time.Now().UnixNano()), time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, public, a.key)
	require.NoError(t, err)
	c, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return c
}

func raw(chain ...*x509.Certificate) [][]byte {
	ders := make([][]byte, len(chain))
	for i, c := range chain {
		ders[i] = c.Raw
	}
	return ders
}

// apple makes an anonymous attestation. Change may spoil the nonce or the key.
func apple(t testing.TB, f *forge, by *authority, change ...func(nonce []byte, public *crypto.PublicKey)) statementFunc {
	return func(authData, hash []byte) (string, any) {
		sum := sha256.Sum256(append(append([]byte{}, authData...), hash...))
		nonce, public := sum[:], f.key.Public()
		for _, c := range change {
			c(nonce, &public)
		}
		value, err := asn1.Marshal(struct {
			Nonce []byte `asn1:"tag:1,explicit"`
		}{nonce})
		require.NoError(t, err)
		leaf := by.certify(t, public, &x509.Certificate{
			Subject:         pkix.Name{CommonName: "credential", Organization: []string{"Apple Inc."}},
			ExtraExtensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 2, 840, 113635, 100, 8, 2}, Value: value}},
		})
		return "apple", map[string]any{"x5c": raw(leaf)}
	}
}

// description is a key description of Android.
type description struct {
	challenge        []byte
	purpose, origin  int
	all              bool // tee: any application
	softwareAll      bool
	newer            bool // a tag that nobody knows stands before the others
	alg              int
	signature, other bool // spoil the signature; certify another key
	trailing         bool
}

func tagged(t testing.TB, tag int, inner any, params string) []byte {
	t.Helper()
	content, err := asn1.MarshalWithParams(inner, params)
	require.NoError(t, err)
	b, err := asn1.Marshal(asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: tag, IsCompound: true, Bytes: content})
	require.NoError(t, err)
	return b
}

func sequence(t testing.TB, elements ...[]byte) asn1.RawValue {
	t.Helper()
	v := asn1.RawValue{Class: asn1.ClassUniversal, Tag: asn1.TagSequence, IsCompound: true}
	for _, e := range elements {
		v.Bytes = append(v.Bytes, e...)
	}
	return v
}

func (d *description) extension(t testing.TB) []byte {
	t.Helper()
	var tee, software [][]byte
	tee = append(tee, tagged(t, 1, []int{d.purpose}, "set"))
	if d.newer {
		tee = append(tee, tagged(t, 599, 1, ""))
	}
	if d.all {
		tee = append(tee, tagged(t, 600, asn1.NullRawValue, ""))
	}
	if d.softwareAll {
		software = append(software, tagged(t, 600, asn1.NullRawValue, ""))
	}
	tee = append(tee, tagged(t, 702, d.origin, ""))
	b, err := asn1.Marshal(struct {
		Version       int
		Level         asn1.Enumerated
		KeyMint       int
		KeyMintLevel  asn1.Enumerated
		Challenge     []byte
		UniqueID      []byte
		Software, TEE asn1.RawValue
	}{300, 1, 300, 1, d.challenge, nil, sequence(t, software...), sequence(t, tee...)})
	require.NoError(t, err)
	if d.trailing {
		b = append(b, 0)
	}
	return b
}

func androidKey(t testing.TB, f *forge, by *authority, change ...func(*description)) statementFunc {
	return func(authData, hash []byte) (string, any) {
		d := description{challenge: hash, purpose: 2, alg: int(f.alg)}
		for _, c := range change {
			c(&d)
		}
		public := f.key.Public()
		if d.other {
			public = newForge(t, fido.ES256).key.Public()
		}
		leaf := by.certify(t, public, &x509.Certificate{
			Subject:         pkix.Name{CommonName: "Android Keystore Key"},
			ExtraExtensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 11129, 2, 1, 17}, Value: d.extension(t)}},
		})
		sig := f.sign(t, append(append([]byte{}, authData...), hash...))
		if d.signature {
			sig = f.sign(t, hash)
		}
		return "android-key", map[string]any{"alg": d.alg, "sig": sig, "x5c": raw(leaf)}
	}
}

// attested is a response of SafetyNet before it is signed.
type attested struct {
	alg, host, version string
	payload            map[string]any
	spoil              bool
	chain              []string // replaces the certificates
}

func safetyNet(t testing.TB, by *authority, now func() time.Time, change ...func(*attested)) statementFunc {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	return func(authData, hash []byte) (string, any) {
		nonce := sha256.Sum256(append(append([]byte{}, authData...), hash...))
		a := attested{alg: "RS256", host: "attest.android.com", version: "14366018", payload: map[string]any{
			"nonce": base64.StdEncoding.EncodeToString(nonce[:]), "ctsProfileMatch": true, "timestampMs": now().UnixMilli(),
		}}
		for _, c := range change {
			c(&a)
		}
		leaf := by.certify(t, &key.PublicKey, &x509.Certificate{Subject: pkix.Name{CommonName: a.host}, DNSNames: []string{a.host}})
		chain := a.chain
		if chain == nil {
			chain = []string{base64.StdEncoding.EncodeToString(leaf.Raw)}
		}
		header, err := json.Marshal(map[string]any{"alg": a.alg, "x5c": chain})
		require.NoError(t, err)
		payload, err := json.Marshal(a.payload)
		require.NoError(t, err)
		text := b64(header) + "." + b64(payload)
		sum := sha256.Sum256([]byte(text))
		if a.spoil {
			sum[0] ^= 1
		}
		sig, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, sum[:])
		require.NoError(t, err)
		return "android-safetynet", map[string]any{"ver": a.version, "response": []byte(text + "." + b64(sig))}
	}
}

// compound puts statements together.
func compound(parts ...statementFunc) statementFunc {
	return func(authData, hash []byte) (string, any) {
		all := make([]any, len(parts))
		for i, part := range parts {
			format, statement := part(authData, hash)
			all[i] = map[string]any{"fmt": format, "attStmt": statement}
		}
		return "compound", all
	}
}

func none([]byte, []byte) (string, any) { return "none", map[string]any{} }
