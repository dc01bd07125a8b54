package webauthn

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"math/big"
	"slices"

	"github.com/fxamacker/cbor/v2"
)

// errPublicKey is for callers to say in words of their own.
var errPublicKey = errors.New("authenticator: a malformed public key")

// coseKey is a COSE_Key, RFC 9052 §7.1 and RFC 9053 §7.
type coseKey struct {
	Type  int             `cbor:"1,keyasint"`
	Alg   int             `cbor:"3,keyasint"`
	Curve cbor.RawMessage `cbor:"-1,keyasint"` // for RSA: the modulus
	X     cbor.RawMessage `cbor:"-2,keyasint"` // for RSA: the exponent
	Y     cbor.RawMessage `cbor:"-3,keyasint"`
}

// SubjectPublicKeyInfo is getPublicKey() of a COSE_Key: the DER of a key of an algorithm
// that clients know, nil for others, which a relying party then reads from the
// attestation object (https://www.w3.org/TR/webauthn-3/#sctn-public-key-easy).
func SubjectPublicKeyInfo(dec cbor.DecMode, cose []byte) (der []byte, alg int, err error) {
	var key coseKey
	if dec.Unmarshal(cose, &key) != nil || key.Alg == 0 {
		return nil, 0, errPublicKey
	}
	var public any
	switch {
	case key.Type == 2 && key.Alg == -7:
		public, err = ellipticKey(dec, elliptic.P256(), 1, &key)
	case key.Type == 2 && key.Alg == -35:
		public, err = ellipticKey(dec, elliptic.P384(), 2, &key)
	case key.Type == 1 && key.Alg == -8:
		public, err = edwardsKey(dec, &key)
	case key.Type == 3 && key.Alg == -257:
		public, err = rsaKey(dec, &key)
	default:
		return nil, key.Alg, nil
	}
	if err != nil {
		return nil, 0, err
	}
	if der, err = x509.MarshalPKIXPublicKey(public); err != nil {
		return nil, 0, errPublicKey
	}
	return der, key.Alg, nil
}

// members reads parts of a key in full; parts pairs each with where it goes.
func members(dec cbor.DecMode, parts map[*cbor.RawMessage]any) error {
	for part, to := range parts {
		if dec.Unmarshal(*part, to) != nil {
			return errPublicKey
		}
	}
	return nil
}

func ellipticKey(dec cbor.DecMode, curve elliptic.Curve, id int, key *coseKey) (*ecdsa.PublicKey, error) {
	var crv int
	var x, y []byte
	size := (curve.Params().BitSize + 7) / 8
	err := members(dec, map[*cbor.RawMessage]any{&key.Curve: &crv, &key.X: &x, &key.Y: &y})
	if err != nil || crv != id || len(x) != size || len(y) != size {
		return nil, errPublicKey
	}
	public, err := ecdsa.ParseUncompressedPublicKey(curve, slices.Concat([]byte{4}, x, y))
	if err != nil {
		return nil, errPublicKey
	}
	return public, nil
}

func edwardsKey(dec cbor.DecMode, key *coseKey) (ed25519.PublicKey, error) {
	var crv int
	var x []byte
	err := members(dec, map[*cbor.RawMessage]any{&key.Curve: &crv, &key.X: &x})
	if err != nil || crv != 6 || len(x) != ed25519.PublicKeySize {
		return nil, errPublicKey
	}
	return ed25519.PublicKey(x), nil
}

func rsaKey(dec cbor.DecMode, key *coseKey) (*rsa.PublicKey, error) {
	var n, e []byte
	err := members(dec, map[*cbor.RawMessage]any{&key.Curve: &n, &key.X: &e})
	exponent := new(big.Int).SetBytes(bytes.TrimLeft(e, "\x00"))
	if err != nil || len(n) < 256 || !exponent.IsInt64() || exponent.Int64() < 3 || exponent.Int64() > 1<<31-1 {
		return nil, errPublicKey
	}
	return &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(exponent.Int64())}, nil
}
