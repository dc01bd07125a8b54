package fido

import (
	"context"
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
