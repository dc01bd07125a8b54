package fido

import (
	"context"
	"fmt"
	"iter"
	"math"
	"time"
)

// Credential returns a registered key, or ErrNotFound. Whether it may be
// used is what [RelyingParty.Active] says.
func (p *RelyingParty) Credential(ctx context.Context, id []byte) (*Credential, error) {
	c, err := p.store.Credential(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("reading the credential: %w", err)
	}
	return &c, nil
}

// Credentials returns a page of keys, of all people, in the order of their IDs.
func (p *RelyingParty) Credentials(ctx context.Context, q CredentialQuery) ([]Credential, error) {
	q.HeldAt, q.UnusedSince = storable(q.HeldAt), storable(q.UnusedSince)
	credentials, err := p.store.ListCredentials(ctx, q)
	if err != nil {
		return nil, fmt.Errorf("reading credentials: %w", err)
	}
	return credentials, nil
}

// storable returns the time nearest to t that 64 bits of nanoseconds can tell, as
// stores keep times: beyond it they would wrap around, and a slip of somebody who
// types a year would be answered with the keys of another one.
func storable(t time.Time) time.Time {
	first, last := time.Unix(0, math.MinInt64), time.Unix(0, math.MaxInt64)
	switch {
	case t.IsZero():
		return t
	case t.Before(first):
		return first
	case t.After(last):
		return last
	}
	return t
}

// HeldAt yields the keys that somebody held at t, see [Credential.HeldAt]: who
// they belonged to then is who they belong to now. It ends with the first error.
func (p *RelyingParty) HeldAt(ctx context.Context, t time.Time) iter.Seq2[Credential, error] {
	return func(yield func(Credential, error) bool) {
		q := CredentialQuery{HeldAt: t, Limit: PageSize(1 << 30)}
		for {
			page, err := p.Credentials(ctx, q)
			if err != nil {
				yield(Credential{}, err)
				return
			}
			for _, c := range page {
				if !yield(c, nil) {
					return
				}
			}
			if len(page) < q.Limit {
				return
			}
			q.After = page[len(page)-1].ID
		}
	}
}

// Keyring is what a person has to sign in with.
type Keyring struct {
	User          User
	Credentials   []Credential // the oldest first, revoked ones among them
	Usable        int          // keys with which the person can sign in now
	RecoveryCodes int          // that were not used
}

// NeedsAnotherKey reports whether losing one key would lock the person out:
// fewer than two are usable. Recovery codes do not count, for they are kept
// where nobody looks until it is too late.
func (k *Keyring) NeedsAnotherKey() bool { return k.Usable < 2 }

// Keyring returns a person's keys, or ErrNotFound.
func (p *RelyingParty) Keyring(ctx context.Context, userHandle []byte) (*Keyring, error) {
	user, err := p.User(ctx, userHandle)
	if err != nil {
		return nil, err
	}
	k := &Keyring{User: user}
	if k.Credentials, err = p.store.Credentials(ctx, userHandle); err != nil {
		return nil, fmt.Errorf("reading the user's credentials: %w", err)
	}
	for i := range k.Credentials {
		if usable(&k.Credentials[i], &user) == nil {
			k.Usable++
		}
	}
	if k.RecoveryCodes, err = p.recoveryCodes(ctx, userHandle); err != nil {
		return nil, err
	}
	return k, nil
}
