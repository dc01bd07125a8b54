//go:build libfido2 && cgo && (linux || darwin) && !386 && !arm && !mips && !mipsle

package libfido2

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"

	"github.com/fxamacker/cbor/v2"
	gofido "github.com/keys-pub/go-libfido2"
)

var errMalformed = errors.New("libfido2: the key answered with malformed data")

func malformed(what string) error { return fmt.Errorf("%w: %s", errMalformed, what) }

// Flags of the authenticator data, https://www.w3.org/TR/webauthn-3/#authdata-flags
const (
	flagUP byte = 1 << 0
	flagUV byte = 1 << 2
	flagAT byte = 1 << 6
)

// unwrapAuthData takes authenticator data out of the CBOR byte string in which
// libfido2 keeps it.
func unwrapAuthData(wrapped []byte) ([]byte, error) {
	dec, err := cbor.DecOptions{IndefLength: cbor.IndefLengthForbidden, TagsMd: cbor.TagsForbidden}.DecMode()
	if err != nil {
		return nil, fmt.Errorf("libfido2: preparing the codec: %v", err)
	}
	var data []byte
	if dec.Unmarshal(wrapped, &data) != nil || len(data) < 37 {
		return nil, malformed("authenticator data")
	}
	return data, nil
}

// checkAuthData holds authenticator data against what was asked for. A key that signs
// for another relying party, or that did not verify the user though it was told to,
// is broken or not the key it was taken for.
func checkAuthData(data []byte, rpID string, attested, verified bool) error {
	hash := sha256.Sum256([]byte(rpID))
	flags := data[32]
	switch {
	case !bytes.Equal(data[:32], hash[:]):
		return malformed("authenticator data for another RP ID")
	case flags&flagUP == 0:
		return malformed("authenticator data without a touch")
	case verified && flags&flagUV == 0:
		return malformed("authenticator data without user verification")
	case attested != (flags&flagAT != 0):
		return malformed("authenticator data of another kind")
	default:
		return nil
	}
}

// attestationStatement rebuilds the statement from the parts that go-libfido2 hands
// out (https://www.w3.org/TR/webauthn-3/#sctn-defined-attestation-formats).
func attestationStatement(made *gofido.Attestation) ([]byte, error) {
	statement := map[string]any{}
	switch made.Format {
	case "none":
	case "fido-u2f":
		if len(made.Sig) == 0 || len(made.Cert) == 0 {
			return nil, malformed("an attestation statement")
		}
		statement["sig"], statement["x5c"] = made.Sig, [][]byte{made.Cert}
	case "packed":
		if len(made.Sig) == 0 {
			return nil, malformed("an attestation statement")
		}
		statement["sig"] = made.Sig
		// Self attestation: "alg … matches the algorithm of the credentialPublicKey".
		statement["alg"] = int(made.CredentialType)
		if len(made.Cert) > 0 {
			alg, err := algorithmOf(made.Cert)
			if err != nil {
				return nil, err
			}
			statement["alg"], statement["x5c"] = alg, [][]byte{made.Cert}
		}
	default:
		return nil, fmt.Errorf("libfido2: an attestation statement of the format %.32q cannot be rebuilt: use package authenticator/hid", made.Format)
	}
	enc, err := cbor.CTAP2EncOptions().EncMode()
	if err != nil {
		return nil, fmt.Errorf("libfido2: preparing the codec: %v", err)
	}
	encoded, err := enc.Marshal(statement)
	if err != nil {
		return nil, fmt.Errorf("libfido2: encoding the attestation statement: %v", err)
	}
	return encoded, nil
}

// algorithmOf returns the COSE algorithm with which the key of a certificate signs,
// which go-libfido2 drops from the statement.
func algorithmOf(der []byte) (int, error) {
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return 0, malformed("an attestation certificate")
	}
	switch key := certificate.PublicKey.(type) {
	case *ecdsa.PublicKey:
		switch key.Curve.Params().BitSize {
		case 256:
			return -7, nil // ES256
		case 384:
			return -35, nil // ES384
		case 521:
			return -36, nil // ES512
		}
	case ed25519.PublicKey:
		return -8, nil // EdDSA
	case *rsa.PublicKey:
		return -257, nil // RS256
	}
	return 0, malformed("an attestation certificate")
}
