package fido

import (
	"context"
	"fmt"
	"slices"
)

// usable returns nil if c may sign in as far as it is itself concerned.
func (c *Credential) usable() error {
	switch c.State {
	case StateActive:
		return nil
	case StatePending:
		return ErrPending
	case StateQuarantined:
		return ErrQuarantined
	default: // a state that a newer version knows is not one to let in either
		return ErrRevoked
	}
}

// usable returns nil if c may sign in.
func usable(c *Credential, owner *User) error {
	if owner.Blocked != "" {
		return ErrBlocked
	}
	return c.usable()
}

// Active returns nil if the credential may be used now: it is active, and its
// owner is not blocked. Otherwise it returns ErrNotFound, ErrPending,
// ErrQuarantined, ErrRevoked or ErrBlocked. Whoever keeps something alive that
// began with a proof asks this again each time.
func (p *RelyingParty) Active(ctx context.Context, credentialID []byte) error {
	c, err := p.store.Credential(ctx, credentialID)
	if err != nil {
		return fmt.Errorf("reading the credential: %w", err)
	}
	owner, err := p.store.User(ctx, c.UserHandle)
	if err != nil {
		return fmt.Errorf("reading the user: %w", err)
	}
	return usable(&c, &owner)
}

func notRevoked(credentials []Credential) []Credential {
	return slices.DeleteFunc(slices.Clone(credentials), func(c Credential) bool { return c.State == StateRevoked })
}
