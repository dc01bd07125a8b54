package issuer

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"math/big"
	"slices"

	"github.com/go-jose/go-jose/v4"

	"github.com/lakekey/lakekey/internal/strictjson"
)

// algEd25519 is what RFC 9864 calls EdDSA with that curve.
// https://www.rfc-editor.org/rfc/rfc9864#section-2.2
const algEd25519 = "Ed25519"

// proofKey is the public key that a DPoP proof carries, for the alg that it
// names.
type proofKey struct {
	jkt    string // thumbprint
	verify func(input string, signature []byte) bool
}

// coordinate is a member of a JWK.
type coordinate struct {
	bytes []byte
	raw   string // with its quotes: bytes in their one spelling
}

func (c *coordinate) read(value []byte) (err error) {
	c.raw = string(value)
	c.bytes, err = strictjson.Base64URL(value)
	return err
}

func parseProofKey(jwk []byte, alg string) (proofKey, error) {
	var kty, crv string
	var x, y coordinate
	err := strictjson.Members(jwk, func(name, value []byte) (err error) {
		switch string(name) {
		case "kty":
			kty, err = strictjson.Text(value)
		case "crv":
			crv, err = strictjson.Text(value)
		case "x":
			err = x.read(value)
		case "y":
			err = y.read(value)
		case "d":
			err = errors.New("issuer: a private key")
		case "x5c", "x5u":
			err = errors.New("issuer: a key with certificates, at which nothing here would look")
		}
		return err
	})
	switch {
	case err != nil:
		return proofKey{}, err
	case alg == string(jose.ES256) && kty == "EC" && crv == "P-256" && len(x.bytes) == 32 && len(y.bytes) == 32:
		return p256Key(x, y)
	case (alg == string(jose.EdDSA) || alg == algEd25519) && kty == "OKP" && crv == "Ed25519" && len(x.bytes) == ed25519.PublicKeySize:
		return ed25519Key(x), nil
	default:
		return proofKey{}, errors.New("issuer: not a key for ES256 or EdDSA")
	}
}

func p256Key(x, y coordinate) (proofKey, error) {
	key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), slices.Concat([]byte{4}, x.bytes, y.bytes))
	if err != nil {
		return proofKey{}, err
	}
	return proofKey{
		jkt: hashOfMembers(`{"crv":"P-256","kty":"EC","x":` + x.raw + `,"y":` + y.raw + `}`),
		verify: func(input string, signature []byte) bool {
			if len(signature) != 64 { // two integers of 32 bytes each (RFC 7518 §3.4)
				return false
			}
			sum := sha256.Sum256([]byte(input))
			return ecdsa.Verify(key, sum[:], new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:]))
		},
	}, nil
}

func ed25519Key(x coordinate) proofKey {
	return proofKey{
		jkt:    hashOfMembers(`{"crv":"Ed25519","kty":"OKP","x":` + x.raw + `}`),
		verify: func(input string, signature []byte) bool { return ed25519.Verify(x.bytes, []byte(input), signature) },
	}
}

// hashOfMembers is the second half of RFC 7638 §3; its argument is the first.
// https://www.rfc-editor.org/rfc/rfc7638#section-3
func hashOfMembers(canonical string) string {
	sum := sha256.Sum256([]byte(canonical))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
