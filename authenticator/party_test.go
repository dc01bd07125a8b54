package authenticator_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"github.com/fxamacker/cbor/v2"
	"github.com/stretchr/testify/require"
)

// party is a relying party of the tests. It verifies with the standard library
// alone.
type party struct {
	origin, rpID string
	roots        *x509.CertPool
}

var example = party{origin: "https://login.example.org", rpID: "example.org"}

var challenge = []byte("0123456789abcdef0123456789abcdef")

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

type object = map[string]any

func (p party) creation(change ...func(object)) []byte {
	o := object{
		"rp":                     object{"id": p.rpID, "name": "Example"},
		"user":                   object{"id": b64([]byte("user-1")), "name": "ada@example.org", "displayName": "Ada"},
		"challenge":              b64(challenge),
		"pubKeyCredParams":       []object{{"type": "public-key", "alg": -7}},
		"authenticatorSelection": object{"residentKey": "required"},
		"attestation":            "direct",
	}
	for _, f := range change {
		f(o)
	}
	return must(json.Marshal(o))
}

func (p party) request(change ...func(object)) []byte {
	o := object{"challenge": b64(challenge), "rpId": p.rpID}
	for _, f := range change {
		f(o)
	}
	return must(json.Marshal(o))
}

// with sets a member, one inside another by a dotted name.
func with(path string, value any) func(object) {
	return func(o object) {
		if outer, inner, nested := bytes.Cut([]byte(path), []byte(".")); nested {
			m, _ := o[string(outer)].(object)
			if m == nil {
				m = object{}
				o[string(outer)] = m
			}
			m[string(inner)] = value
			return
		}
		o[path] = value
	}
}

func allowing(ids ...[]byte) []object {
	var list []object
	for _, id := range ids {
		list = append(list, object{"type": "public-key", "id": b64(id)})
	}
	return list
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// registered is what a party keeps of a registration.
type registered struct {
	id        []byte
	flags     byte
	count     uint32
	aaguid    [16]byte
	public    any
	format    string
	chain     int
	extension map[string]any // of the authenticator data
	json      object
}

// register verifies a RegistrationResponseJSON as WebAuthn §7.1 does.
func (p party) register(t testing.TB, response []byte) *registered {
	t.Helper()
	var o struct {
		ID, RawID, Type, AuthenticatorAttachment string
		Response                                 struct {
			ClientDataJSON, AuthenticatorData, AttestationObject, PublicKey string
			PublicKeyAlgorithm                                              int
			Transports                                                      []string
		}
	}
	require.NoError(t, json.Unmarshal(response, &o))
	require.Equal(t, "public-key", o.Type)
	require.Equal(t, o.ID, o.RawID)
	clientData := p.clientData(t, o.Response.ClientDataJSON, "webauthn.create")

	var att struct {
		Fmt      string         `cbor:"fmt"`
		AttStmt  map[string]any `cbor:"attStmt"`
		AuthData []byte         `cbor:"authData"`
	}
	require.NoError(t, cbor.Unmarshal(must(base64.RawURLEncoding.DecodeString(o.Response.AttestationObject)), &att))
	require.Equal(t, b64(att.AuthData), o.Response.AuthenticatorData)
	r := &registered{format: att.Fmt}
	require.NoError(t, json.Unmarshal(response, &r.json))

	rest := p.header(t, att.AuthData, &r.flags, &r.count)
	require.NotZero(t, r.flags&0x40, "no attested credential data")
	r.aaguid = [16]byte(rest)
	n := binary.BigEndian.Uint16(rest[16:])
	r.id, rest = rest[18:18+n], rest[18+n:]
	require.Equal(t, o.ID, b64(r.id))
	var cose map[int]any
	rest, err := cbor.UnmarshalFirst(rest, &cose)
	require.NoError(t, err)
	require.EqualValues(t, o.Response.PublicKeyAlgorithm, cose[3])
	r.public = coseKey(t, cose)
	require.Equal(t, b64(must(x509.MarshalPKIXPublicKey(r.public))), o.Response.PublicKey)
	if r.flags&0x80 != 0 {
		rest, err = cbor.UnmarshalFirst(rest, &r.extension)
		require.NoError(t, err)
	}
	require.Empty(t, rest)

	hash := sha256.Sum256(clientData)
	signed := slices.Concat(att.AuthData, hash[:])
	switch att.Fmt {
	case "none":
		require.Empty(t, att.AttStmt)
	case "packed":
		sig := att.AttStmt["sig"].([]byte)
		x5c, chained := att.AttStmt["x5c"].([]any)
		if !chained {
			require.EqualValues(t, cose[3], att.AttStmt["alg"])
			require.NoError(t, verifySignature(r.public, signed, sig))
			break
		}
		r.chain = len(x5c)
		p.verifyChain(t, x5c, r.aaguid, signed, sig)
	default:
		t.Fatalf("attestation format %q", att.Fmt)
	}
	return r
}

func (p party) verifyChain(t testing.TB, x5c []any, aaguid [16]byte, signed, sig []byte) {
	t.Helper()
	leaf := must(x509.ParseCertificate(x5c[0].([]byte)))
	intermediates := x509.NewCertPool()
	for _, der := range x5c[1:] {
		intermediates.AddCert(must(x509.ParseCertificate(der.([]byte))))
	}
	_, err := leaf.Verify(x509.VerifyOptions{Roots: p.roots, Intermediates: intermediates, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
	require.NoError(t, err)
	// https://www.w3.org/TR/webauthn-3/#sctn-packed-attestation-cert-requirements
	require.Equal(t, 3, leaf.Version)
	require.False(t, leaf.IsCA)
	require.True(t, leaf.BasicConstraintsValid)
	require.Equal(t, []string{"Authenticator Attestation"}, leaf.Subject.OrganizationalUnit)
	require.Len(t, leaf.Subject.Country, 1)
	require.Len(t, leaf.Subject.Organization, 1)
	require.NotEmpty(t, leaf.Subject.CommonName)
	found := false
	for _, e := range leaf.Extensions {
		if e.Id.Equal(asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 45724, 1, 1, 4}) {
			found = true
			require.False(t, e.Critical)
			require.Equal(t, append([]byte{4, 16}, aaguid[:]...), e.Value)
		}
	}
	require.True(t, found, "no AAGUID in the certificate")
	require.NoError(t, verifySignature(leaf.PublicKey, signed, sig))
}

// signedIn is what a party learns from an assertion.
type signedIn struct {
	id, userHandle []byte
	flags          byte
	count          uint32
}

// signIn verifies an AuthenticationResponseJSON as WebAuthn §7.2 does.
func (p party) signIn(t testing.TB, response []byte, public any) *signedIn {
	t.Helper()
	var o struct {
		ID, Type string
		Response struct {
			ClientDataJSON, AuthenticatorData, Signature string
			UserHandle                                   *string
		}
	}
	require.NoError(t, json.Unmarshal(response, &o))
	require.Equal(t, "public-key", o.Type)
	clientData := p.clientData(t, o.Response.ClientDataJSON, "webauthn.get")
	authData := must(base64.RawURLEncoding.DecodeString(o.Response.AuthenticatorData))
	s := &signedIn{id: must(base64.RawURLEncoding.DecodeString(o.ID))}
	if o.Response.UserHandle != nil {
		s.userHandle = must(base64.RawURLEncoding.DecodeString(*o.Response.UserHandle))
	}
	require.Empty(t, p.header(t, authData, &s.flags, &s.count))
	hash := sha256.Sum256(clientData)
	require.NoError(t, verifySignature(public, slices.Concat(authData, hash[:]), must(base64.RawURLEncoding.DecodeString(o.Response.Signature))))
	return s
}

func (p party) clientData(t testing.TB, encoded, kind string) []byte {
	t.Helper()
	raw := must(base64.RawURLEncoding.DecodeString(encoded))
	require.Equal(t, fmt.Sprintf(`{"type":%q,"challenge":%q,"origin":%q,"crossOrigin":false}`, kind, b64(challenge), p.origin), string(raw))
	return raw
}

func (p party) header(t testing.TB, authData []byte, flags *byte, count *uint32) []byte {
	t.Helper()
	hash := sha256.Sum256([]byte(p.rpID))
	require.Equal(t, hash[:], authData[:32])
	*flags, *count = authData[32], binary.BigEndian.Uint32(authData[33:])
	require.NotZero(t, *flags&0x01, "user not present")
	return authData[37:]
}

func coseKey(t testing.TB, m map[int]any) any {
	t.Helper()
	switch m[1] {
	case uint64(2):
		key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), slices.Concat([]byte{4}, m[-2].([]byte), m[-3].([]byte)))
		require.NoError(t, err)
		return key
	case uint64(1):
		return ed25519.PublicKey(m[-2].([]byte))
	}
	t.Fatalf("key type %v", m[1])
	return nil
}

func verifySignature(public any, message, sig []byte) error {
	good := false
	switch key := public.(type) {
	case *ecdsa.PublicKey:
		digest := sha256.Sum256(message)
		good = ecdsa.VerifyASN1(key, digest[:], sig)
	case ed25519.PublicKey:
		good = ed25519.Verify(key, message, sig)
	}
	if !good {
		return fmt.Errorf("signature by a %T does not verify", public)
	}
	return nil
}
