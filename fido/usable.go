package fido

import (
	"context"
	"fmt"
	"slices"

	"github.com/lakekey/lakekey/fido/audit"
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

// Active returns nil if the credential may be used now: it is active, its owner is
// not blocked, and the policy of today, with the metadata of today and the groups
// that the owner is in today, would let it in. Otherwise it returns ErrNotFound,
// ErrPending, ErrQuarantined, ErrRevoked, ErrBlocked or a *PolicyError. Whoever
// keeps something alive that began with a proof asks this again each time, and
// passes on the proof's UserVerified: so a stricter policy, a person who has left
// a group and bad news about a model count from the next request on, not from the
// next sign-in.
func (p *RelyingParty) Active(ctx context.Context, credentialID []byte, userVerified bool) error {
	c, err := p.store.Credential(ctx, credentialID)
	if err != nil {
		return fmt.Errorf("reading the credential: %w", err)
	}
	owner, err := p.store.User(ctx, c.UserHandle)
	if err != nil {
		return fmt.Errorf("reading the user: %w", err)
	}
	if err := usable(&c, &owner); err != nil {
		return err
	}
	t := p.trust(ctx, p.cfg.Now())
	_, err = p.admit(&owner, t.current(&c, c.BackupEligible, userVerified), &audit.Event{})
	return err
}

func notRevoked(credentials []Credential) []Credential {
	return slices.DeleteFunc(slices.Clone(credentials), func(c Credential) bool { return c.State == StateRevoked })
}
