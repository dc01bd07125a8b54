package issuer

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/lakekey/lakekey/internal/secret"
)

// signingKey returns the key that signs and the key set that is published. It
// offers the store a new key, and goes by what the store holds afterwards: that
// is how replicas that start together agree.
func signingKey(ctx context.Context, store Store, now time.Time) (*jose.JSONWebKey, *jose.JSONWebKeySet, error) {
	offer, err := newKey(now)
	if err != nil {
		return nil, nil, err
	}
	held, err := store.InitKeys(ctx, offer)
	if err != nil {
		return nil, nil, fmt.Errorf("reading the signing keys: %w", err)
	}
	var current *jose.JSONWebKey
	set := &jose.JSONWebKeySet{}
	for _, k := range held {
		if current, err = parseKey(k); err != nil {
			return nil, nil, err
		}
		set.Keys = append(set.Keys, current.Public())
	}
	if current == nil {
		return nil, nil, errors.New("issuer: the store kept no signing key")
	}
	return current, set, nil
}

func newKey(now time.Time) (Key, error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Key{}, fmt.Errorf("issuer: generating a signing key: %v", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return Key{}, fmt.Errorf("issuer: encoding a signing key: %v", err)
	}
	id, err := thumbprint(jose.JSONWebKey{Key: private.Public()})
	if err != nil {
		return Key{}, err
	}
	return Key{ID: id, PKCS8: secret.New(string(der)), Created: now}, nil
}

// parseKey reads a stored key, and refuses one that is not what its ID says: a
// kid that names two keys would let caches mix them up.
func parseKey(k Key) (*jose.JSONWebKey, error) {
	parsed, err := x509.ParsePKCS8PrivateKey([]byte(k.PKCS8.Reveal()))
	if err != nil {
		return nil, fmt.Errorf("issuer: signing key %q is damaged", k.ID) // the cause could quote the key
	}
	private, ok := parsed.(*ecdsa.PrivateKey)
	if !ok || private.Curve != elliptic.P256() {
		return nil, fmt.Errorf("issuer: signing key %q is not an ECDSA P-256 key", k.ID)
	}
	id, err := thumbprint(jose.JSONWebKey{Key: private.Public()})
	if err != nil {
		return nil, err
	}
	if id != k.ID {
		return nil, fmt.Errorf("issuer: signing key %q has the thumbprint %q", k.ID, id)
	}
	return &jose.JSONWebKey{Key: private, KeyID: id, Algorithm: string(jose.ES256), Use: "sig"}, nil
}

// thumbprint is RFC 7638 with SHA-256, the form of a kid here.
func thumbprint(k jose.JSONWebKey) (string, error) {
	sum, err := k.Thumbprint(crypto.SHA256)
	if err != nil {
		return "", fmt.Errorf("issuer: computing a key's thumbprint: %v", err)
	}
	return base64.RawURLEncoding.EncodeToString(sum), nil
}
