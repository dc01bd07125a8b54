package databrickstest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"errors"
	"math/big"
	"slices"
)

// The algorithms of subject tokens: "Tokens must be valid JWTs that are signed
// using the RS256 or ES256 algorithms."
// https://docs.databricks.com/aws/en/dev-tools/auth/oauth-federation-exchange
const (
	algRS256 = "RS256"
	algES256 = "ES256"
)

// Bounds on RSA keys. RFC 7518 section 3.3: "A key of size 2048 bits or larger
// MUST be used with these algorithms." The upper one keeps a check cheap.
const (
	minRSABits = 2048
	maxRSABits = 8192
)

// verificationKey is one public key, with the one algorithm it may be used for.
// The algorithm follows from the key's type, never from the token: a token
// cannot choose to be checked with HMAC over a public key.
type verificationKey struct {
	kid string
	alg string
	key crypto.PublicKey
}

type keySet []verificationKey

type jwk struct {
	Type   string   `json:"kty"`
	ID     string   `json:"kid"`
	Use    string   `json:"use"`
	KeyOps []string `json:"key_ops"`
	Alg    string   `json:"alg"`
	Curve  string   `json:"crv"`
	X      string   `json:"x"`
	Y      string   `json:"y"`
	N      string   `json:"n"`
	E      string   `json:"e"`
	D      string   `json:"d"`
	K      string   `json:"k"`
}

// parseKeySet reads a JWK Set and leaves out what cannot check an RS256 or ES256
// signature. RFC 7517 section 5: "Implementations SHOULD ignore JWKs within a
// JWK Set that use "kty" […] values that are not understood by them".
func parseKeySet(text []byte) (keySet, error) {
	var document struct {
		Keys []jwk `json:"keys"`
	}
	if err := decodeStrict(text, &document); err != nil {
		return nil, err
	}
	if document.Keys == nil {
		return nil, errors.New(`there is no member "keys"`)
	}
	var set keySet
	for _, k := range document.Keys {
		if k.D != "" || k.K != "" {
			return nil, errors.New("the set holds a private key: publish only public ones, and replace this one")
		}
		key, alg := k.public()
		if key == nil || k.Alg != "" && k.Alg != alg || k.Use != "" && k.Use != "sig" ||
			k.KeyOps != nil && !slices.Contains(k.KeyOps, "verify") {
			continue
		}
		set = append(set, verificationKey{kid: k.ID, alg: alg, key: key})
	}
	return set, nil
}

// public returns the key and its algorithm, or nil if it is not usable here.
func (k jwk) public() (crypto.PublicKey, string) {
	switch {
	case k.Type == "RSA":
		n, okN := number(k.N)
		e, okE := number(k.E)
		if !okN || !okE || n.BitLen() < minRSABits || n.BitLen() > maxRSABits || n.Bit(0) == 0 ||
			e.BitLen() > 31 || e.Bit(0) == 0 || e.Cmp(big.NewInt(3)) < 0 {
			return nil, ""
		}
		return &rsa.PublicKey{N: n, E: int(e.Int64())}, algRS256
	case k.Type == "EC" && k.Curve == "P-256":
		x, okX := base64URL(k.X)
		y, okY := base64URL(k.Y)
		// RFC 7518 section 6.2.1.2: "The length of this octet string MUST be the
		// full size of a coordinate for the curve".
		if !okX || !okY || len(x) != 32 || len(y) != 32 {
			return nil, ""
		}
		key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), slices.Concat([]byte{4}, x, y))
		if err != nil {
			return nil, ""
		}
		return key, algES256
	}
	return nil, ""
}

func number(s string) (*big.Int, bool) {
	b, ok := base64URL(s)
	if !ok || len(b) == 0 || len(b) > maxRSABits/8+1 {
		return nil, false
	}
	return new(big.Int).SetBytes(b), true
}

var (
	errUnknownKey   = errors.New("no key of the issuer has the token's kid and alg")
	errAmbiguousKey = errors.New("the token names no kid and the issuer has several keys for its alg")
)

// find returns the one key that a token with this header is to be checked with.
// OpenID Connect Core section 10.1: "If there are multiple keys in the referenced
// JWK Set document, a kid value MUST be provided in the JOSE Header."
func (s keySet) find(kid, alg string) (crypto.PublicKey, error) {
	var found []verificationKey
	for _, k := range s {
		if k.alg == alg && (kid == "" || k.kid == kid) {
			found = append(found, k)
		}
	}
	switch len(found) {
	case 0:
		return nil, errUnknownKey
	case 1:
		return found[0].key, nil
	}
	return nil, errAmbiguousKey
}
