package fido

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"
	"slices"

	"github.com/go-webauthn/webauthn/protocol"
)

// oidAndroidKey is the extension with the key description.
// https://source.android.com/docs/security/features/keystore/attestation#schema
var oidAndroidKey = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 11129, 2, 1, 17}

// The elements of an authorization list that WebAuthn asks about, and the values
// that it wants.
const (
	tagPurpose         = 1
	tagAllApplications = 600
	tagOrigin          = 702

	purposeSign     = 2
	originGenerated = 0
)

// verifyAndroidKey follows §8.4, up to what the chain is worth. It wants the
// key to be in the trusted environment, as relying parties may: what the phone's
// software enforces alone is a claim of that software.
// https://www.w3.org/TR/webauthn-3/#sctn-android-key-attestation
func verifyAndroidKey(att *protocol.AttestationObject, hash []byte) error {
	chain, err := mustChain(att)
	if err != nil {
		return err
	}
	// "Verify that sig is a valid signature over the concatenation of
	// authenticatorData and clientDataHash using the public key in the first
	// certificate in x5c with the algorithm specified in alg." It is the
	// credential's own key, whose algorithm has to be the same one.
	key, err := attestedKey(att, chain[0])
	if err != nil {
		return err
	}
	alg, err := coseAlgorithm(att.AuthData.AttData.CredentialPublicKey)
	if stated, ok := att.AttStatement["alg"].(int64); err != nil || !ok || Algorithm(stated) != alg {
		return badAttestation("the statement and the credential name different algorithms")
	}
	sig, _ := att.AttStatement["sig"].([]byte)
	if !key.verify(slices.Concat(att.RawAuthData, hash), sig) {
		return badAttestation("wrong signature")
	}
	d, err := readKeyDescription(chain[0])
	if err != nil {
		return err
	}
	switch {
	// "Verify that the attestationChallenge field in the attestation certificate
	// extension data is identical to clientDataHash."
	case !bytes.Equal(d.challenge, hash):
		return badAttestation("the certificate's challenge is of another ceremony")
	// "The AuthorizationList.allApplications field is not present on either
	// authorization list […] since PublicKeyCredential MUST be scoped to the RP ID."
	case d.tee.allApplications || d.software.allApplications:
		return badAttestation("the key can be used by any application")
	case !d.tee.generated:
		return badAttestation("the key was not generated in the trusted environment")
	case !d.tee.sign:
		return badAttestation("the key is not for signing in the trusted environment")
	}
	return nil
}

// keyDescription is the part of the extension that is asked about.
type keyDescription struct {
	challenge     []byte
	software, tee authorizations
}

type authorizations struct{ allApplications, generated, sign bool }

func readKeyDescription(c *x509.Certificate) (d keyDescription, err error) {
	value, _ := extension(c, oidAndroidKey)
	var raw struct {
		Version       int
		SecurityLevel asn1.Enumerated
		KeyMint       int
		KeyMintLevel  asn1.Enumerated
		Challenge     []byte
		UniqueID      []byte
		Software      asn1.RawValue
		TEE           asn1.RawValue
	}
	if rest, err := asn1.Unmarshal(value, &raw); err != nil || len(rest) > 0 {
		return d, badAttestation("the certificate has no key description")
	}
	d.challenge = raw.Challenge
	if d.software, err = readAuthorizations(raw.Software); err != nil {
		return d, err
	}
	d.tee, err = readAuthorizations(raw.TEE)
	return d, err
}

// readAuthorizations goes through the elements of an AuthorizationList one by
// one. Decoding it into a struct would stop, without an error, at the first tag
// of a newer version, and miss what follows.
func readAuthorizations(list asn1.RawValue) (a authorizations, err error) {
	if list.Class != asn1.ClassUniversal || list.Tag != asn1.TagSequence || !list.IsCompound {
		return a, badAttestation("an authorization list that is none")
	}
	for rest := list.Bytes; len(rest) > 0; {
		var element asn1.RawValue
		if rest, err = asn1.Unmarshal(rest, &element); err != nil || element.Class != asn1.ClassContextSpecific {
			return a, badAttestation("an authorization list that cannot be read")
		}
		switch element.Tag {
		case tagAllApplications:
			a.allApplications = true
		case tagOrigin:
			var origin int
			left, err := asn1.Unmarshal(element.Bytes, &origin)
			if err != nil || len(left) > 0 {
				return a, badAttestation("an authorization list whose origin cannot be read")
			}
			a.generated = origin == originGenerated
		case tagPurpose:
			var purposes []int
			left, err := asn1.UnmarshalWithParams(element.Bytes, &purposes, "set")
			if err != nil || len(left) > 0 {
				return a, badAttestation("an authorization list whose purposes cannot be read")
			}
			a.sign = slices.Contains(purposes, purposeSign)
		}
	}
	return a, nil
}
