package issuer

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/lakekey/lakekey/internal/secret"
)

// ParseSigners reads the private keys of a PEM file, PKCS #8 each: what
// "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256" writes. They
// sign in the order in which they stand there.
func ParseSigners(file []byte) ([]crypto.Signer, error) {
	var signers []crypto.Signer
	for block, rest := pem.Decode(file); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "PRIVATE KEY" {
			return nil, fmt.Errorf("issuer: the file of signing keys holds a block of type %q: it must hold PKCS #8 private keys and nothing else", block.Type)
		}
		parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
		signer, signs := parsed.(crypto.Signer)
		if err != nil || !signs {
			return nil, fmt.Errorf("issuer: the %d. signing key of the file is no private key that signs", len(signers)+1) // the cause could quote the key
		}
		signers = append(signers, signer)
	}
	if len(signers) == 0 {
		return nil, errors.New("issuer: the file of signing keys holds none: it must hold PKCS #8 private keys as PEM")
	}
	return signers, nil
}

// newKey makes a signing key that is kept in the store.
func newKey(algorithm string, now, signsFrom time.Time) (Key, error) {
	var private crypto.Signer
	var err error
	if algorithm == string(jose.RS256) {
		private, err = rsa.GenerateKey(rand.Reader, minModulus)
	} else {
		private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	}
	if err != nil {
		return Key{}, fmt.Errorf("issuer: generating a signing key: %v", err)
	}
	k, err := keyOf(private.Public(), now, signsFrom)
	if err != nil {
		return Key{}, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return Key{}, fmt.Errorf("issuer: encoding a signing key: %v", err)
	}
	k.PKCS8 = secret.New(string(der))
	return k, nil
}

// keyOf describes a signing key whose private half is elsewhere.
func keyOf(public crypto.PublicKey, now, signsFrom time.Time) (Key, error) {
	jwk, err := publicJWK(public)
	if err != nil {
		return Key{}, err
	}
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return Key{}, fmt.Errorf("issuer: encoding a signing key: %v", err)
	}
	return Key{ID: jwk.KeyID, Public: der, Created: now, SignsFrom: signsFrom}, nil
}

// publicJWK is the form in which a key is published. Databricks takes RS256 and
// ES256 and no other algorithm.
func publicJWK(public crypto.PublicKey) (jose.JSONWebKey, error) {
	jwk := jose.JSONWebKey{Key: public, Use: "sig"}
	switch k := public.(type) {
	case *ecdsa.PublicKey:
		if k.Curve != elliptic.P256() {
			return jwk, fmt.Errorf("issuer: a signing key is on the curve %s: take P-256", k.Params().Name)
		}
		jwk.Algorithm = string(jose.ES256)
	case *rsa.PublicKey:
		if bits := k.N.BitLen(); bits < minModulus || bits > maxModulus {
			return jwk, fmt.Errorf("issuer: an RSA signing key of %d bits: must have %d to %d", bits, minModulus, maxModulus)
		}
		jwk.Algorithm = string(jose.RS256)
	default:
		return jwk, fmt.Errorf("issuer: a signing key is a %T: take an ECDSA key on P-256, or RSA", public)
	}
	sum, err := jwk.Thumbprint(crypto.SHA256)
	if err != nil {
		return jwk, fmt.Errorf("issuer: computing a key's thumbprint: %v", err)
	}
	jwk.KeyID = base64.RawURLEncoding.EncodeToString(sum)
	return jwk, nil
}

// ringKey is a stored key, ready for use.
type ringKey struct {
	public  jose.JSONWebKey
	private crypto.Signer // nil: it is held elsewhere
}

// parseKey reads a stored key, and refuses one that is not what its ID says: a
// kid that names two keys would let caches mix them up.
func parseKey(k Key) (*ringKey, error) {
	damaged := fmt.Errorf("issuer: signing key %q is damaged", k.ID) // the cause could quote the key
	r := &ringKey{}
	if !k.PKCS8.IsZero() {
		parsed, err := x509.ParsePKCS8PrivateKey([]byte(k.PKCS8.Reveal()))
		private, signs := parsed.(crypto.Signer)
		if err != nil || !signs {
			return nil, damaged
		}
		r.private = private
	}
	var public crypto.PublicKey
	switch {
	case len(k.Public) > 0:
		parsed, err := x509.ParsePKIXPublicKey(k.Public)
		if err != nil {
			return nil, damaged
		}
		public = parsed
	case r.private != nil:
		public = r.private.Public()
	default:
		return nil, damaged
	}
	var err error
	if r.public, err = publicJWK(public); err != nil {
		return nil, err
	}
	if r.public.KeyID != k.ID {
		return nil, fmt.Errorf("issuer: signing key %q has the thumbprint %q", k.ID, r.public.KeyID)
	}
	if r.private != nil {
		own, err := publicJWK(r.private.Public())
		if err != nil || own.KeyID != k.ID {
			return nil, damaged
		}
	}
	return r, nil
}
