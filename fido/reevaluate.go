package fido

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/lakekey/lakekey/fido/audit"
	"github.com/lakekey/lakekey/fido/keypolicy"
)

// ReevaluateOptions say what becomes of keys that are not acceptable any longer.
type ReevaluateOptions struct {
	// Quarantine takes such keys out of use until somebody has looked at them.
	// Without it they are only reported; the policy refuses their sign-ins anyway.
	Quarantine bool

	By string // who has this done, for the log; empty: "lakekey"

	// After goes on where an earlier report ended, with its Last. Limit is how many
	// keys to look at; 0 means all.
	After []byte
	Limit int
}

// Reevaluation says what has become of registered keys.
type Reevaluation struct {
	Metadata   int    // the number of the metadata that was used; 0: none is configured
	PolicyHash string // the key policy that was asked; empty: none is configured
	At         time.Time

	Looked      int // keys that are not revoked
	Quarantined int // that were taken out of use now
	Findings    []Finding

	Last []byte // the key that was looked at last: ReevaluateOptions.After of a run that goes on
	Done bool   // there are no more after it
}

// Finding is a key about which something else is known than before, or which the
// policy refuses.
type Finding struct {
	Credential  Credential         // as it is now
	Before      keypolicy.Evidence // what was known
	Decision    keypolicy.Decision
	Quarantined bool // now, and not before
}

// Reevaluate looks at every key that is not revoked with the metadata and the
// policy of today. It keeps what it finds out about a key's model, and takes
// keys that the policy refuses out of use if it is to. It never lets anything
// back in: who was quarantined waits for [RelyingParty.Release].
//
// Without metadata that can be relied on, where some is configured, nothing is
// judged and the error says so: an outage of the service must not take
// everybody's keys out of use, nor old news keep a bad key in it.
//
// With an error, the report tells how far it came. Several processes may run it
// at the same time; each key is judged by the newest metadata that any of them
// has.
func (p *RelyingParty) Reevaluate(ctx context.Context, o ReevaluateOptions) (*Reevaluation, error) {
	if o.By == "" {
		o.By = "lakekey"
	}
	now := p.cfg.Now()
	r := &Reevaluation{At: now, Last: o.After}
	if p.cfg.Policy != nil {
		r.PolicyHash = p.cfg.Policy.Hash()
	}
	t := trust{pinned: p.pinned, now: now}
	if p.cfg.Metadata != nil {
		var err error
		if t.blob, err = p.cfg.Metadata.Current(ctx); err != nil {
			return r, fmt.Errorf("reading the metadata: %w", err)
		}
		r.Metadata = t.blob.Number
	}
	for !r.Done && (o.Limit <= 0 || r.Looked < o.Limit) {
		page, err := p.store.ListCredentials(ctx, CredentialQuery{After: r.Last})
		if err != nil {
			return r, fmt.Errorf("reading a page of credentials: %w", err)
		}
		r.Done = len(page) == 0
		for _, c := range page {
			if o.Limit > 0 && r.Looked == o.Limit {
				return r, nil
			}
			if err := p.reevaluate(ctx, &t, c, o, r); err != nil {
				return r, err
			}
			r.Last = c.ID
		}
	}
	return r, nil
}

// reevaluate looks at one key, again if somebody changes it meanwhile.
func (p *RelyingParty) reevaluate(ctx context.Context, t *trust, c Credential, o ReevaluateOptions, r *Reevaluation) error {
	for range maxConflicts {
		if c.State == StateRevoked {
			return nil
		}
		owner, err := p.store.User(ctx, c.UserHandle)
		if err != nil {
			return fmt.Errorf("reading the user: %w", err)
		}
		f, e := p.find(t, c, &owner, o)
		changed := !sameFacts(f.Before, f.Credential.Evidence)
		if changed || f.Quarantined {
			err = p.keep(ctx, &f, e)
		}
		if errors.Is(err, ErrConflict) {
			if c, err = p.store.Credential(ctx, c.ID); err != nil {
				return fmt.Errorf("reading the credential again: %w", err)
			}
			continue
		}
		if err != nil {
			return err
		}
		r.Looked++
		if changed || !f.Decision.Allowed {
			r.Findings = append(r.Findings, f)
		}
		if f.Quarantined {
			r.Quarantined++
			p.notify(ctx, Notice{Type: e.Type, User: owner, Credential: &f.Credential, Act: Act{By: o.By, Rationale: f.Credential.StateReason}, At: r.At})
		}
		return nil
	}
	return fmt.Errorf("updating the credential: %w", ErrConflict)
}

// find judges one key and prepares what is to be kept and recorded of it.
func (p *RelyingParty) find(t *trust, c Credential, owner *User, o ReevaluateOptions) (Finding, audit.Event) {
	f := Finding{Credential: c.Clone(), Before: c.Evidence}
	next := &f.Credential
	if t.blob == nil || t.blob.Number >= c.Evidence.Metadata {
		next.Evidence = t.again(&c, c.Evidence)
		next.Evidence.UserVerified, next.Evidence.BackupEligible = c.UserVerified, next.Evidence.BackupEligible || c.BackupEligible
	} // else another replica has looked with newer metadata
	e := audit.Event{Type: "metadata.reevaluated", User: owner.Name, Actor: o.By, CredentialHash: audit.HashID(c.ID), CredentialName: c.Name}
	f.Decision = p.decide(owner, next.Evidence, &e)
	if f.Decision.Allowed {
		return f, e
	}
	e.Reason = f.Decision.String()
	if o.Quarantine && (c.State == StateActive || c.State == StatePending) {
		f.Quarantined = true
		e.Type, e.Rationale = "credential.quarantined", e.Reason
		next.State, next.StateReason, next.StateBy, next.StateSince = StateQuarantined, e.Reason, o.By, t.now
	}
	return f, e
}

// keep stores what was found.
func (p *RelyingParty) keep(ctx context.Context, f *Finding, e audit.Event) error {
	err := p.perform(ctx, e, func(ctx context.Context) error {
		if err := p.store.UpdateCredential(ctx, f.Credential); err != nil {
			return fmt.Errorf("updating the credential: %w", err)
		}
		return nil
	})
	if err == nil {
		f.Credential.Revision++
	}
	return err
}

// sameFacts reports whether a and b say the same of a key. When it was looked
// at, and with which of several BLOBs, is no fact about it.
func sameFacts(a, b keypolicy.Evidence) bool {
	b.At = a.At
	if a.Metadata > 0 && b.Metadata > 0 {
		b.Metadata = a.Metadata
	}
	if len(a.Status)+len(b.Status) == 0 {
		b.Status = a.Status
	}
	return reflect.DeepEqual(a, b)
}
