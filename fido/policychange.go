package fido

import (
	"context"
	"fmt"
	"time"

	"github.com/lakekey/lakekey/fido/audit"
	"github.com/lakekey/lakekey/fido/keypolicy"
)

// policyTimeout bounds how long a store may keep New waiting.
const policyTimeout = 30 * time.Second

// recordPolicy notes that another key policy came into force than the one that
// was in force on this store before. Replicas that start together may each do so.
// A program without a log, such as one that only invites people, notes nothing: the
// next one with a log would take that program's policy for the one before its own.
func (p *RelyingParty) recordPolicy() error {
	if p.cfg.Audit == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), policyTimeout)
	defer cancel()
	const name = "policy"
	ours := p.cfg.Policy.Hash()
	none := (*keypolicy.Policy)(nil).Hash()
	// What a store says that has never heard of a policy.
	current, err := p.store.Swap(ctx, name, nil, []byte(none))
	for range maxConflicts {
		if err != nil {
			return fmt.Errorf("reading which key policy was in force: %w", err)
		}
		if string(current) == ours {
			return nil
		}
		if err := p.record(ctx, audit.Event{Type: "policy.changed", Outcome: audit.OK, PolicyHash: ours, PolicyHashOld: string(current)}); err != nil {
			return err
		}
		current, err = p.store.Swap(ctx, name, current, []byte(ours))
	}
	return fmt.Errorf("noting the key policy that is in force: %w", ErrConflict)
}
