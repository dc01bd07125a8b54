package fido

import (
	"bytes"
	"crypto/sha256"
	"encoding/asn1"
	"slices"

	"github.com/go-webauthn/webauthn/protocol"
)

// oidAppleNonce is the extension in which Apple's anonymous attestation repeats
// what it is about.
var oidAppleNonce = asn1.ObjectIdentifier{1, 2, 840, 113635, 100, 8, 2}

// verifyApple follows §8.8, up to what the chain is worth.
// https://www.w3.org/TR/webauthn-3/#sctn-apple-anonymous-attestation
func verifyApple(att *protocol.AttestationObject, hash []byte) error {
	chain, err := mustChain(att)
	if err != nil {
		return err
	}
	// "Verify that nonce equals the value of the extension with OID
	// 1.2.840.113635.100.8.2 in credCert."
	value, _ := extension(chain[0], oidAppleNonce)
	var stated struct {
		Nonce []byte `asn1:"tag:1,explicit"`
	}
	if rest, err := asn1.Unmarshal(value, &stated); err != nil || len(rest) > 0 {
		return badAttestation("the certificate has no nonce")
	}
	if nonce := sha256.Sum256(slices.Concat(att.RawAuthData, hash)); !bytes.Equal(stated.Nonce, nonce[:]) {
		return badAttestation("the certificate's nonce is of another ceremony")
	}
	// "Verify that the credential public key equals the Subject Public Key of
	// credCert."
	if _, err := attestedKey(att, chain[0]); err != nil {
		return err
	}
	return nil
}
