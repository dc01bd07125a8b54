package authenticator

import (
	"crypto/ecdh"
	"errors"

	"github.com/lakekey/lakekey/authenticator/internal/webauthn"
)

// PINVector runs the platform's side of a PIN/UV auth protocol with given keys.
func PINVector(protocol int, private *ecdh.PrivateKey, x, y []byte) (hmacKey, aesKey []byte, encrypt func([]byte) ([]byte, error), err error) {
	s, err := newPINSession(protocol, &coseKey{Type: 2, Alg: -25, Curve: 1, X: x, Y: y}, private)
	if err != nil {
		return nil, nil, nil, err
	}
	return s.hmacKey, s.aesKey, s.encrypt, nil
}

var TokenProof = tokenProof

// ParseResponses runs every decoder of a key's answer and reports which of them
// returned something together with an error.
func ParseResponses(data []byte) (partial []string) {
	codec, err := newCodec()
	if err != nil {
		return []string{err.Error()}
	}
	note := func(name string, empty bool, err error) {
		if err != nil && !empty {
			partial = append(partial, name)
		}
	}
	info, err := parseInfo(codec, data)
	note("info", info == nil, err)
	created, err := parseCreated(codec, data, "example.org", false)
	note("created", created == nil, err)
	assertion, n, err := parseAssertion(codec, data, "example.org", nil, false)
	note("assertion", assertion == nil && n == 0, err)
	auth, err := parseAuthData(codec, data)
	note("authData", auth == nil, err)
	der, alg, err := webauthn.SubjectPublicKeyInfo(codec.dec, data)
	note("publicKey", der == nil && alg == 0, err)
	pin, err := parse[wireClientPINResult](codec, data, "client PIN")
	note("clientPIN", pin.KeyAgreement == nil && pin.Token == nil && pin.Retries == nil, err)
	u2f, err := parseU2FRegistration(codec, data, [32]byte{})
	note("U2F registration", u2f == nil, err)
	signed, err := parseU2FSignature(data, "example.org", []byte("id"))
	note("U2F signature", signed == nil, err)
	managed, err := parse[wireManaged](codec, data, "a stored credential")
	note("credential management", managed.RP == nil && managed.Credential == nil && managed.User == nil && managed.Total == 0, err)
	bio, err := parse[wireBioResult](codec, data, "a fingerprint")
	note("bio enrolment", bio.ID == nil && bio.Fingers == nil, err)
	blobs, err := parseLargeBlobArray(codec, data)
	note("large blobs", blobs == nil, err)
	fragment, err := parse[wireLargeBlobsResult](codec, data, "large blobs")
	note("a fragment of large blobs", fragment.Fragment == nil, err)
	return partial
}

// LargeBlobs reads an array without its checksum, opens a blob in it with a key of
// zeros, and writes the array again, as it was and with a blob more.
func LargeBlobs(array, blob []byte) (again, more, found []byte, err error) {
	codec, err := newCodec()
	if err != nil {
		return nil, nil, nil, err
	}
	a, err := parse[largeBlobArray](codec, array, "large blobs")
	if err != nil {
		if a != nil {
			err = errors.New("a failed parse returned something")
		}
		return nil, nil, nil, err
	}
	key := make([]byte, blobKeyLength)
	a.find(codec, key)
	if again, err = a.serialize(codec); err != nil {
		return nil, nil, nil, err
	}
	next, err := a.with(codec, key, blob)
	if err != nil {
		return nil, nil, nil, err
	}
	if more, err = next.serialize(codec); err != nil {
		return nil, nil, nil, err
	}
	if next, err = parseLargeBlobArray(codec, more); err != nil {
		return nil, nil, nil, err
	}
	return again[:len(again)-blobChecksum], more, next.find(codec, key), nil
}

// NewLargeBlobArray is an array with one blob under a key of zeros.
func NewLargeBlobArray(blob []byte) []byte {
	_, more, _, err := LargeBlobs([]byte{0x80}, blob)
	if err != nil {
		return nil
	}
	return more[:len(more)-blobChecksum]
}
