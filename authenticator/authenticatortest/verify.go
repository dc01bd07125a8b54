package authenticatortest

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"testing"

	"github.com/fxamacker/cbor/v2"

	"github.com/lakekey/lakekey/authenticator"
)

// Flags of the authenticator data, https://www.w3.org/TR/webauthn-3/#authdata-flags
const (
	flagUP = 1 << 0
	flagUV = 1 << 2
	flagAT = 1 << 6
	flagED = 1 << 7
)

// statement is a packed attestation statement.
type statement struct {
	Algorithm int      `cbor:"alg"`
	Signature []byte   `cbor:"sig"`
	Chain     [][]byte `cbor:"x5c"`
}

func parseStatement(t testing.TB, made *authenticator.MakeCredentialResult) statement {
	t.Helper()
	var s statement
	must(t, cbor.Unmarshal(made.AttestationStatement, &s))
	return s
}

// credentialKey reads the public key out of authenticator data, and what follows it.
func credentialKey(t testing.TB, data []byte) (public crypto.PublicKey, alg int, rest []byte) {
	t.Helper()
	check(t, len(data) > 55 && data[32]&flagAT != 0, "no attested credential data in %x", data)
	n := int(binary.BigEndian.Uint16(data[53:]))
	check(t, len(data) > 55+n, "a credential ID of %d bytes in %d", n, len(data))
	var key struct {
		Alg int    `cbor:"3,keyasint"`
		X   []byte `cbor:"-2,keyasint"`
		Y   []byte `cbor:"-3,keyasint"`
	}
	rest, err := cbor.UnmarshalFirst(data[55+n:], &key)
	must(t, err)
	if key.Alg == -8 {
		return ed25519.PublicKey(key.X), key.Alg, rest
	}
	p, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), slices.Concat([]byte{4}, key.X, key.Y))
	must(t, err)
	return p, key.Alg, rest
}

func verifySignature(t testing.TB, public crypto.PublicKey, signed, signature []byte) {
	t.Helper()
	switch key := public.(type) {
	case *ecdsa.PublicKey:
		sum := sha256.Sum256(signed)
		check(t, ecdsa.VerifyASN1(key, sum[:], signature), "the ES256 signature is wrong")
	case ed25519.PublicKey:
		check(t, ed25519.Verify(key, signed, signature), "the EdDSA signature is wrong")
	default:
		t.Fatalf("a key of type %T", public)
	}
}

// verifyCreation checks what every new credential must hold.
func verifyCreation(t testing.TB, req *authenticator.MakeCredentialRequest, made *authenticator.MakeCredentialResult) {
	t.Helper()
	data := made.AuthenticatorData
	check(t, len(data) > 55, "%d bytes of authenticator data", len(data))
	check(t, bytes.Equal(data[:32], hash(req.RPID)), "authenticator data for another RP ID")
	check(t, data[32]&flagUP != 0, "no touch in flags %02x", data[32])
	verified := req.PIN != nil || req.BuiltInUV
	check(t, verified == (data[32]&flagUV != 0), "user verification asked for: %v, flags %02x", verified, data[32])
	n := int(binary.BigEndian.Uint16(data[53:]))
	check(t, bytes.Equal(made.CredentialID, data[55:55+n]), "the credential ID is not the one in the authenticator data")
	_, alg, _ := credentialKey(t, data)
	check(t, slices.Contains(req.Algorithms, alg), "algorithm %d, want one of %v", alg, req.Algorithms)
}

func verifyAssertion(t testing.TB, req *authenticator.GetAssertionRequest, made *authenticator.MakeCredentialResult, a *authenticator.Assertion) {
	t.Helper()
	data := a.AuthenticatorData
	check(t, len(data) >= 37, "%d bytes of authenticator data", len(data))
	check(t, bytes.Equal(data[:32], hash(req.RPID)), "authenticator data for another RP ID")
	check(t, data[32]&flagUP != 0, "no touch in flags %02x", data[32])
	verified := req.PIN != nil || req.BuiltInUV
	check(t, verified == (data[32]&flagUV != 0), "user verification asked for: %v, flags %02x", verified, data[32])
	public, _, _ := credentialKey(t, made.AuthenticatorData)
	verifySignature(t, public, slices.Concat(data, req.ClientDataHash), a.Signature)
}
