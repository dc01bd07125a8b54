package fido_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"math/big"
	"testing"

	"github.com/fxamacker/cbor/v2"
	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/fido"
)

// The flags of authenticator data, spelled once more: a test that took them from
// the package under test could not notice that one is wrong.
const (
	up, uv, be, bs = 0x01, 0x04, 0x08, 0x10
	at, ed         = 0x40, 0x80
)

// forge makes responses, right ones and wrong ones in every way a test wants. It
// is a client and a key in one and checks nothing.
type forge struct {
	rpID, origin string
	id, handle   []byte
	aaguid       [16]byte
	alg          fido.Algorithm
	key          crypto.Signer
	cose         []byte
	flags        byte
	count        uint32
}

func newForge(t testing.TB, alg fido.Algorithm) *forge {
	t.Helper()
	f := &forge{rpID: "example.com", origin: "https://login.example.com", id: make([]byte, 32), alg: alg, flags: up | uv}
	_, _ = rand.Read(f.id)
	var err error
	var public map[int]any
	switch alg {
	case fido.EdDSA:
		var pub ed25519.PublicKey
		pub, f.key, err = ed25519.GenerateKey(rand.Reader)
		public = map[int]any{1: 1, 3: int(alg), -1: 6, -2: []byte(pub)}
	case fido.RS256:
		var key *rsa.PrivateKey
		key, err = rsa.GenerateKey(rand.Reader, 2048)
		f.key, public = key, map[int]any{1: 3, 3: int(alg), -1: key.N.Bytes(), -2: big.NewInt(int64(key.E)).Bytes()}
	default:
		var key *ecdsa.PrivateKey
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		require.NoError(t, err)
		point, bad := key.PublicKey.Bytes()
		require.NoError(t, bad)
		f.key, public = key, map[int]any{1: 2, 3: int(alg), -1: 1, -2: point[1:33], -3: point[33:]}
	}
	require.NoError(t, err)
	f.cose = encodeCBOR(t, public)
	return f
}

func encodeCBOR(t testing.TB, v any) []byte {
	t.Helper()
	mode, err := cbor.CTAP2EncOptions().EncMode()
	require.NoError(t, err)
	b, err := mode.Marshal(v)
	require.NoError(t, err)
	return b
}

// draft is a response before it is signed. A test changes what it likes.
type draft struct {
	kind, challenge, origin string
	more                    string // further members of the client data, with a leading comma
	clientData              []byte // replaces all of the above
	rpID                    string
	flags                   byte
	count                   uint32
	extensions              []byte
	id, handle              []byte
	statement               func(authData, hash []byte) (format string, statement any)
	response                map[string]any // changes to the inner object
	outer                   map[string]any // changes to the outer one
}

func (f *forge) draft(t testing.TB, kind string, options json.RawMessage) draft {
	t.Helper()
	var o struct {
		Challenge string `json:"challenge"`
		User      struct {
			ID bytes64 `json:"id"`
		} `json:"user"`
	}
	require.NoError(t, json.Unmarshal(options, &o))
	if len(o.User.ID) > 0 {
		f.handle = o.User.ID
	}
	return draft{kind: kind, challenge: o.Challenge, origin: f.origin, rpID: f.rpID, flags: f.flags, count: f.count, id: f.id, handle: f.handle}
}

func (d *draft) clientDataJSON() []byte {
	if d.clientData != nil {
		return d.clientData
	}
	return []byte(`{"type":"` + d.kind + `","challenge":"` + d.challenge + `","origin":"` + d.origin + `","crossOrigin":false` + d.more + `}`)
}

func (d *draft) authData(attested []byte) []byte {
	hash := sha256.Sum256([]byte(d.rpID))
	b := binary.BigEndian.AppendUint32(append(hash[:], d.flags), d.count)
	return append(append(b, attested...), d.extensions...)
}

func (f *forge) sign(t testing.TB, message []byte) []byte {
	t.Helper()
	digest, opts := sha256.Sum256(message), crypto.SignerOpts(crypto.SHA256)
	signed := digest[:]
	if f.alg == fido.EdDSA {
		signed, opts = message, crypto.Hash(0)
	}
	sig, err := f.key.Sign(rand.Reader, signed, opts)
	require.NoError(t, err)
	return sig
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func (d *draft) encode(t testing.TB, inner map[string]any) []byte {
	t.Helper()
	for name, value := range d.response {
		inner[name] = value
	}
	outer := map[string]any{"id": b64(d.id), "rawId": b64(d.id), "type": "public-key", "clientExtensionResults": map[string]any{}, "response": inner}
	for name, value := range d.outer {
		outer[name] = value
	}
	b, err := json.Marshal(outer)
	require.NoError(t, err)
	return b
}

// register answers creation options. Without a statement there is no attestation.
func (f *forge) register(t testing.TB, options json.RawMessage, change ...func(*draft)) []byte {
	t.Helper()
	d := f.draft(t, "webauthn.create", options)
	d.flags |= at
	for _, c := range change {
		c(&d)
	}
	attested := binary.BigEndian.AppendUint16(append([]byte{}, f.aaguid[:]...), uint16(len(f.id)))
	authData := d.authData(append(append(attested, f.id...), f.cose...))
	hash := sha256.Sum256(d.clientDataJSON())
	var format string = "none"
	var statement any = map[string]any{}
	if d.statement != nil {
		format, statement = d.statement(authData, hash[:])
	}
	object := encodeCBOR(t, map[string]any{"fmt": format, "attStmt": statement, "authData": authData})
	return d.encode(t, map[string]any{"clientDataJSON": b64(d.clientDataJSON()), "attestationObject": b64(object), "transports": []string{"usb", "nfc"}})
}

// assert answers request options.
func (f *forge) assert(t testing.TB, options json.RawMessage, change ...func(*draft)) []byte {
	t.Helper()
	if f.count > 0 {
		f.count++
	}
	d := f.draft(t, "webauthn.get", options)
	for _, c := range change {
		c(&d)
	}
	authData, hash := d.authData(nil), sha256.Sum256(d.clientDataJSON())
	inner := map[string]any{"clientDataJSON": b64(d.clientDataJSON()), "authenticatorData": b64(authData), "signature": b64(f.sign(t, append(authData, hash[:]...)))}
	if d.handle != nil {
		inner["userHandle"] = b64(d.handle)
	}
	return d.encode(t, inner)
}
