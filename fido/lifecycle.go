package fido

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/lakekey/lakekey/fido/audit"
)

// verb is one step in the life of a credential.
type verb struct {
	event     string // the type of its record and of its notice
	rationale bool   // must say why
	others    bool   // nobody decides so about a key of their own
	quiet     bool   // nobody needs to be told
	apply     func(c *Credential, a Act, now time.Time) error
}

var (
	renaming = verb{event: "credential.renamed", quiet: true}

	approving = verb{event: "credential.approved", rationale: true, others: true, apply: func(c *Credential, a Act, now time.Time) error {
		if c.State != StatePending {
			return wrongState(c, StatePending)
		}
		c.Approved, c.ApprovedBy, c.Rationale = now, a.By, a.Rationale
		c.enter(StateActive, "approved", a, now)
		return nil
	}}

	denying = verb{event: "credential.denied", rationale: true, apply: func(c *Credential, a Act, now time.Time) error {
		if c.State != StatePending {
			return wrongState(c, StatePending)
		}
		c.enter(StateRevoked, "denied", a, now)
		return nil
	}}

	quarantining = verb{event: "credential.quarantined", rationale: true, apply: func(c *Credential, a Act, now time.Time) error {
		if c.State != StatePending && c.State != StateActive {
			return wrongState(c, StateActive)
		}
		c.enter(StateQuarantined, "", a, now)
		return nil
	}}

	releasing = verb{event: "credential.released", rationale: true, others: true, apply: func(c *Credential, a Act, now time.Time) error {
		if c.State != StateQuarantined {
			return wrongState(c, StateQuarantined)
		}
		to := StateActive
		if c.Approved.IsZero() { // quarantine is no way around an approval
			to = StatePending
		}
		c.enter(to, "released from quarantine", a, now)
		return nil
	}}

	revoking = verb{event: "credential.revoked", apply: func(c *Credential, a Act, now time.Time) error {
		return revoke(c, "revoked", a, now)
	}}

	reportingLost = verb{event: "credential.reported-lost", apply: func(c *Credential, a Act, now time.Time) error {
		return revoke(c, "reported lost", a, now)
	}}
)

func revoke(c *Credential, why string, a Act, now time.Time) error {
	if c.State == StateRevoked {
		return ErrRevoked
	}
	c.enter(StateRevoked, why, a, now)
	return nil
}

// enter brings c into a state. The reason is what was done and why.
func (c *Credential) enter(s State, what string, a Act, now time.Time) {
	reason := what
	if a.Rationale != "" {
		reason = strings.TrimPrefix(what+": "+a.Rationale, ": ")
	}
	c.State, c.StateReason, c.StateBy, c.StateSince = s, reason, a.By, now
	if s == StateRevoked {
		c.Revoked = now
	}
}

// wrongState says that somebody else has decided already.
func wrongState(c *Credential, want State) error {
	if c.State == StateRevoked {
		return ErrRevoked
	}
	return fmt.Errorf("acting on a key that is %s, not %s: %w", c.State, want, ErrConflict)
}

const maxCredentialName = 64

// Rename gives a key that is not revoked another name, so that its owner can
// tell their keys apart.
func (p *RelyingParty) Rename(ctx context.Context, credentialID []byte, name string, a Act) (*Credential, error) {
	name = strings.TrimSpace(name)
	if err := checkText("name", name, maxCredentialName); err != nil {
		return nil, err
	}
	v := renaming
	v.apply = func(c *Credential, _ Act, _ time.Time) error {
		if c.State == StateRevoked {
			return ErrRevoked
		}
		c.Name = name
		return nil
	}
	return p.change(ctx, credentialID, v, a)
}

// Approve lets a pending key sign in. Its owner cannot do so: ErrOwnApproval.
func (p *RelyingParty) Approve(ctx context.Context, credentialID []byte, a Act) (*Credential, error) {
	return p.change(ctx, credentialID, approving, a)
}

// Deny revokes a pending key.
func (p *RelyingParty) Deny(ctx context.Context, credentialID []byte, a Act) (*Credential, error) {
	return p.change(ctx, credentialID, denying, a)
}

// Quarantine takes a key out of use until it is released or revoked.
func (p *RelyingParty) Quarantine(ctx context.Context, credentialID []byte, a Act) (*Credential, error) {
	return p.change(ctx, credentialID, quarantining, a)
}

// Release takes a key out of quarantine: it is active again, or pending if it
// was never approved. Its owner cannot do so: ErrOwnApproval.
func (p *RelyingParty) Release(ctx context.Context, credentialID []byte, a Act) (*Credential, error) {
	return p.change(ctx, credentialID, releasing, a)
}

// Revoke takes a key out of use for ever.
func (p *RelyingParty) Revoke(ctx context.Context, credentialID []byte, a Act) (*Credential, error) {
	return p.change(ctx, credentialID, revoking, a)
}

// ReportLost revokes a key because its owner no longer has it. The record of the
// report stays apart from other revocations: what the key did since it was lost
// is what an investigator looks for.
func (p *RelyingParty) ReportLost(ctx context.Context, credentialID []byte, a Act) (*Credential, error) {
	return p.change(ctx, credentialID, reportingLost, a)
}

// RequestRevocation records that somebody asks for a key to be revoked who does not
// do so themselves, and tells of it: how long it then takes is what an access
// review counts. The key stays as it is. Whoever may revoke it should. It returns
// ErrNotFound, ErrRevoked or an *InvalidError.
func (p *RelyingParty) RequestRevocation(ctx context.Context, credentialID []byte, a Act) error {
	if err := a.check(true); err != nil {
		return err
	}
	c, err := p.store.Credential(ctx, credentialID)
	if err != nil {
		return fmt.Errorf("reading the credential: %w", err)
	}
	owner, err := p.store.User(ctx, c.UserHandle)
	if err != nil {
		return fmt.Errorf("reading the user: %w", err)
	}
	e := a.event("credential.revocation-requested", owner)
	c.describe(&e)
	if c.State == StateRevoked {
		return p.reject(ctx, e, ErrRevoked)
	}
	e.Outcome = audit.OK
	if err := p.record(ctx, e); err != nil {
		return err
	}
	p.notify(ctx, Notice{Type: e.Type, User: owner, Credential: &c, Act: a, At: p.cfg.Now()})
	return nil
}

// change applies a verb by compare and swap: of two people who decide at the
// same time, the second decides about what the first has left. It returns
// ErrNotFound, ErrRevoked, ErrOwnApproval, an *InvalidError, or ErrConflict if
// the key is in a state to which the verb does not apply.
func (p *RelyingParty) change(ctx context.Context, id []byte, v verb, a Act) (*Credential, error) {
	if err := a.check(v.rationale); err != nil {
		return nil, err
	}
	stored, err := p.store.Credential(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("reading the credential: %w", err)
	}
	owner, err := p.store.User(ctx, stored.UserHandle)
	if err != nil {
		return nil, fmt.Errorf("reading the user: %w", err)
	}
	now, next := p.cfg.Now(), stored.Clone()
	e := a.event(v.event, owner)
	if v.others && a.about(owner) {
		err = ErrOwnApproval
	} else {
		err = v.apply(&next, a, now)
	}
	next.describe(&e)
	if err != nil {
		return nil, p.reject(ctx, e, err)
	}
	err = p.perform(ctx, e, func(ctx context.Context) error {
		for range maxConflicts {
			err := p.store.UpdateCredential(ctx, next)
			if err == nil {
				return nil
			}
			if !errors.Is(err, ErrConflict) {
				return fmt.Errorf("updating the credential: %w", err)
			}
			if next, err = p.store.Credential(ctx, id); err != nil {
				return fmt.Errorf("reading the credential again: %w", err)
			}
			if err := v.apply(&next, a, now); err != nil {
				return err
			}
		}
		return fmt.Errorf("updating the credential: %w", ErrConflict)
	})
	if err != nil {
		return nil, err
	}
	next.Revision++
	if !v.quiet {
		p.notify(ctx, Notice{Type: v.event, User: owner, Credential: &next, Act: a, At: now})
	}
	return &next, nil
}

// describe says in a record which key it is about.
func (c *Credential) describe(e *audit.Event) {
	e.CredentialHash, e.CredentialName, e.AAGUID = audit.HashID(c.ID), c.Name, c.Evidence.AAGUID.String()
	e.Attestation, e.Format, e.SerialHash = c.Evidence.Verdict.String(), c.Evidence.Format, hex.EncodeToString(c.SerialHash)
	e.BackupEligible, e.BackupState = c.BackupEligible, c.BackupState
}
