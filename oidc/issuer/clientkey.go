package issuer

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"slices"

	"github.com/go-jose/go-jose/v4"

	"github.com/lakekey/lakekey/internal/strictjson"
)

const (
	maxClientKeys = 16
	minModulus    = 2048 // bits, NIST SP 800-131A
	maxModulus    = 4096
)

// statementAlgs are those of FAPI 2.0 Security Profile §5.4.1: a signature with
// any other is not looked at.
// https://openid.net/specs/fapi-security-profile-2_0-final.html#section-5.4.1
var statementAlgs = []string{string(jose.ES256), string(jose.PS256), string(jose.EdDSA), algEd25519}

// clientKey is a public key that a client signs with.
type clientKey struct {
	kid    string
	algs   []string
	verify func(input string, signature []byte) bool
}

// parseClientKeys reads a JWK Set (RFC 7517 §5) of public keys.
func parseClientKeys(set []byte) (keys []clientKey, err error) {
	var raw []json.RawMessage
	err = strictjson.Members(set, func(name, value []byte) error {
		if string(name) == "keys" {
			return json.Unmarshal(value, &raw)
		}
		return nil
	})
	switch {
	case err != nil:
		return nil, fmt.Errorf("not a JWK Set: %v", err)
	case len(raw) == 0 || len(raw) > maxClientKeys:
		return nil, fmt.Errorf("it has %d keys, must have 1 to %d", len(raw), maxClientKeys)
	}
	kids := map[string]bool{}
	for n, jwk := range raw {
		k, err := parseClientKey(jwk)
		if err != nil {
			return nil, fmt.Errorf("keys[%d]: %v", n, err)
		}
		if len(raw) > 1 && (k.kid == "" || kids[k.kid]) {
			return nil, fmt.Errorf("keys[%d]: give each of several keys a kid of its own", n)
		}
		kids[k.kid] = true
		keys = append(keys, k)
	}
	return keys, nil
}

func parseClientKey(jwk []byte) (k clientKey, err error) {
	var kty, alg, use string
	var n, e []byte
	err = strictjson.Members(jwk, func(name, value []byte) (err error) {
		switch string(name) {
		case "kty":
			kty, err = strictjson.Text(value)
		case "kid":
			k.kid, err = strictjson.Text(value)
		case "alg":
			alg, err = strictjson.Text(value)
		case "use":
			use, err = strictjson.Text(value)
		case "n":
			n, err = strictjson.Base64URL(value)
		case "e":
			e, err = strictjson.Base64URL(value)
		case "d", "p", "q", "dp", "dq", "qi", "k":
			err = errors.New("it is a private or secret key: keep that with the client, make a new pair, and put the public half here")
		}
		return err
	})
	if err != nil {
		return k, err
	}
	if use != "" && use != "sig" {
		return k, fmt.Errorf("its use is %q: the key must be for signatures", use)
	}
	switch kty {
	case "EC":
		k, err = k.curve(jwk, string(jose.ES256))
	case "OKP":
		k, err = k.curve(jwk, string(jose.EdDSA), algEd25519)
	case "RSA":
		k, err = k.rsa(n, e)
	default:
		err = fmt.Errorf("its kty is %q: take an EC key (P-256), an OKP key (Ed25519) or an RSA key", kty)
	}
	if err == nil && alg != "" {
		if err = fmt.Errorf("its alg is %q: this key is taken for %v", alg, k.algs); slices.Contains(k.algs, alg) {
			k.algs, err = []string{alg}, nil
		}
	}
	return k, err
}

func (k clientKey) curve(jwk []byte, algs ...string) (clientKey, error) {
	parsed, err := parseProofKey(jwk, algs[0])
	if err != nil {
		return k, fmt.Errorf("not a P-256 or Ed25519 key: %v", err)
	}
	k.algs, k.verify = algs, parsed.verify
	return k, nil
}

func (k clientKey) rsa(n, e []byte) (clientKey, error) {
	public := &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: 65537}
	switch bits := public.N.BitLen(); {
	case bits < minModulus || bits > maxModulus:
		return k, fmt.Errorf("an RSA key of %d bits: must have %d to %d", bits, minModulus, maxModulus)
	case new(big.Int).SetBytes(e).Cmp(big.NewInt(65537)) != 0 || public.N.Bit(0) == 0:
		return k, errors.New("not an RSA key with the exponent 65537")
	}
	k.algs = []string{string(jose.PS256)}
	k.verify = func(input string, signature []byte) bool {
		sum := sha256.Sum256([]byte(input))
		return rsa.VerifyPSS(public, crypto.SHA256, sum[:], signature, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}) == nil
	}
	return k, nil
}
