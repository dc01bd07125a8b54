package fido

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"slices"

	"github.com/go-webauthn/webauthn/protocol/webauthncbor"
	"github.com/go-webauthn/webauthn/protocol/webauthncose"
)

// publicKey verifies the signatures of one credential. It is immutable.
type publicKey interface {
	verify(message, sig []byte) bool
}

// RSA moduli outside of these bounds are too weak, or slow to compute with for
// whoever has to verify what a stranger sent.
const (
	minRSABits = 2048
	maxRSABits = 8192
)

// coseAlgorithm reads the algorithm of a COSE_Key without judging the rest.
func coseAlgorithm(cose []byte) (Algorithm, error) {
	var k webauthncose.PublicKeyData
	if err := webauthncbor.Unmarshal(cose, &k); err != nil {
		return 0, fmt.Errorf("fido: not a COSE_Key: %v", err)
	}
	return Algorithm(k.Algorithm), nil
}

// parsePublicKey reads a COSE_Key. It returns an *UnsupportedAlgorithmError for
// an algorithm that this build cannot verify.
func parsePublicKey(cose []byte) (publicKey, error) {
	alg, err := coseAlgorithm(cose)
	if err != nil {
		return nil, err
	}
	if !alg.supported() {
		return nil, &UnsupportedAlgorithmError{Algorithm: alg}
	}
	// webauthncose checks what §5.8.5 binds together: algorithm, curve, sizes, and
	// that the point is on the curve.
	parsed, err := webauthncose.ParsePublicKey(cose)
	if err != nil {
		return nil, fmt.Errorf("fido: unusable %s key: %v", alg, err)
	}
	switch k := parsed.(type) {
	case webauthncose.EC2PublicKeyData:
		pub, err := k.ToECDSA()
		if err != nil {
			return nil, fmt.Errorf("fido: unusable %s key: %v", alg, err)
		}
		return ecdsaKey{pub, hashOf(pub.Curve)}, nil
	case webauthncose.OKPPublicKeyData:
		if smallOrder(k.XCoord) {
			return nil, fmt.Errorf("fido: unusable %s key: a point of small order, for which anybody can sign", alg)
		}
		return ed25519Key(k.XCoord), nil
	case webauthncose.RSAPublicKeyData:
		return parseRSA(alg, k)
	default:
		return coseKey{parsed}, nil
	}
}

func parseRSA(alg Algorithm, k webauthncose.RSAPublicKeyData) (publicKey, error) {
	e, err := webauthncose.ParseRSAPublicKeyDataExponent(&k)
	if err != nil {
		return nil, fmt.Errorf("fido: unusable RSA key: %v", err)
	}
	if e < 3 || e%2 == 0 { // with 1 anybody can sign, and of the even ones the library verifies none
		return nil, fmt.Errorf("fido: unusable RSA key: its exponent is %d", e)
	}
	pub := &rsa.PublicKey{N: new(big.Int).SetBytes(k.Modulus), E: e}
	if n := pub.N.BitLen(); n < minRSABits || n > maxRSABits {
		return nil, fmt.Errorf("fido: an RSA key of %d bits; %d to %d are accepted", n, minRSABits, maxRSABits)
	}
	switch alg {
	case RS256:
		return rsaKey{pub, crypto.SHA256, false}, nil
	case -258:
		return rsaKey{pub, crypto.SHA384, false}, nil
	case -259:
		return rsaKey{pub, crypto.SHA512, false}, nil
	case -37:
		return rsaKey{pub, crypto.SHA256, true}, nil
	case -38:
		return rsaKey{pub, crypto.SHA384, true}, nil
	case -39:
		return rsaKey{pub, crypto.SHA512, true}, nil
	default:
		return nil, errors.New("fido: an RSA key with another kind of algorithm")
	}
}

// hashOf returns the hash of an ECDSA algorithm; in WebAuthn the curve decides
// it, for §5.8.5 binds the two.
func hashOf(curve elliptic.Curve) crypto.Hash {
	switch curve {
	case elliptic.P384():
		return crypto.SHA384
	case elliptic.P521():
		return crypto.SHA512
	default:
		return crypto.SHA256
	}
}

func digest(h crypto.Hash, message []byte) []byte {
	switch h {
	case crypto.SHA384:
		sum := sha512.Sum384(message)
		return sum[:]
	case crypto.SHA512:
		sum := sha512.Sum512(message)
		return sum[:]
	default:
		sum := sha256.Sum256(message)
		return sum[:]
	}
}

type ecdsaKey struct {
	pub  *ecdsa.PublicKey
	hash crypto.Hash
}

// verify wants the signature in DER, as §6.5.5 does; VerifyASN1 takes no other
// encoding, so that one signature has one spelling.
// https://www.w3.org/TR/webauthn-3/#sctn-signature-attestation-types
func (k ecdsaKey) verify(message, sig []byte) bool {
	return ecdsa.VerifyASN1(k.pub, digest(k.hash, message), sig)
}

type ed25519Key ed25519.PublicKey

func (k ed25519Key) verify(message, sig []byte) bool {
	return ed25519.Verify(ed25519.PublicKey(k), message, sig)
}

// smallOrders are the y-coordinates, in hex and without the sign of x, of the eight
// points of Curve25519 whose order divides 8: for a public key that is one of them,
// a signature of zeros is right for many a message. No key generates them. The last
// two are others written differently, which RFC 8032 does not allow and crypto/ed25519
// does.
var smallOrders = []string{
	"0000000000000000000000000000000000000000000000000000000000000000",
	"0100000000000000000000000000000000000000000000000000000000000000",
	"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
	"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
	"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
}

func smallOrder(point []byte) bool {
	var y [32]byte
	copy(y[:], point)
	y[31] &= 0x7f
	var spelled [64]byte
	hex.Encode(spelled[:], y[:])
	return slices.Contains(smallOrders, string(spelled[:]))
}

type rsaKey struct {
	pub  *rsa.PublicKey
	hash crypto.Hash
	pss  bool
}

// verify fixes the salt length to the hash's, as RFC 8230 §2 does for PS256 and
// its siblings.
func (k rsaKey) verify(message, sig []byte) bool {
	d := digest(k.hash, message)
	if k.pss {
		return rsa.VerifyPSS(k.pub, k.hash, d, sig, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}) == nil
	}
	return rsa.VerifyPKCS1v15(k.pub, k.hash, d, sig) == nil
}

// coseKey is a key of a type that only webauthncose knows, which is ML-DSA where
// the toolchain has it.
type coseKey struct{ key any }

func (k coseKey) verify(message, sig []byte) bool {
	ok, err := webauthncose.VerifySignature(k.key, message, sig)
	return ok && err == nil
}
