package fido

import (
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"
)

// seed returns the secret that the store keeps for all replicas.
func (p *RelyingParty) seed(ctx context.Context) ([]byte, error) {
	seed, err := p.store.Swap(ctx, "seed", nil, random32())
	if err != nil {
		return nil, fmt.Errorf("reading the store's seed: %w", err)
	}
	return seed, nil
}

// Key derives a secret for one purpose from the one that the store keeps. It is
// the same in every process on that store, and says nothing about those for
// other purposes.
func (p *RelyingParty) Key(ctx context.Context, purpose string) (key [32]byte, err error) {
	if purpose == "" {
		return key, errors.New("fido: a key without a purpose")
	}
	seed, err := p.seed(ctx)
	if err != nil {
		return key, err
	}
	derived, err := hkdf.Key(sha256.New, seed, nil, "lakekey/fido key for "+purpose, len(key))
	if err != nil {
		return key, fmt.Errorf("fido: deriving a key: %v", err)
	}
	copy(key[:], derived)
	return key, nil
}
