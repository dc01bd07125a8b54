package fido

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lakekey/lakekey/fido/audit"
)

// maxConflicts bounds how often an update is tried again because another
// sign-in with the same key came first. People have two hands.
const maxConflicts = 16

// advance updates the credential after a verified assertion, by compare and
// swap: of two sign-ins at once, only one can be the next after the counter that
// both have read.
//
// "If authData.signCount is nonzero or credentialRecord.signCount is nonzero:
// greater than credentialRecord.signCount: the signature counter is valid; less
// than or equal: this is a signal, but not proof, that the authenticator may be
// cloned." https://www.w3.org/TR/webauthn-3/#sctn-sign-counter
func (p *RelyingParty) advance(ctx context.Context, c Credential, owner User, v verified, now time.Time, about *audit.Event) (Credential, error) {
	seen := c.SignCount
	for range maxConflicts {
		count := v.signCount
		if (count != 0 || c.SignCount != 0) && count <= c.SignCount {
			if count > seen { // it was ahead when we looked: slower, not cloned
				return c, &VerificationError{Check: "sign count", Spec: specAssertion, Signed: true, Detail: "another sign-in with this key finished first; begin again"}
			}
			if p.cfg.CounterPolicy != InsecureCounterAllow {
				return c, p.suspect(ctx, c, owner, count, now, *about)
			}
			e := *about
			e.Type, e.Outcome, e.Reason = "credential.counter", audit.OK, regress(c.SignCount, count)
			if err := p.record(ctx, e); err != nil {
				return c, err
			}
			count = c.SignCount
		}
		c.SignCount, c.BackupState, c.LastUsed = count, v.flags&flagBS != 0, now
		err := p.store.UpdateCredential(ctx, c)
		if err == nil {
			return c, nil
		}
		if !errors.Is(err, ErrConflict) {
			return c, fmt.Errorf("updating the credential: %w", err)
		}
		if c, err = p.store.Credential(ctx, c.ID); err != nil {
			return c, fmt.Errorf("reading the credential again: %w", err)
		}
		if err := c.usable(); err != nil {
			return c, err
		}
	}
	return c, fmt.Errorf("updating the credential: %w", ErrConflict)
}

func regress(stored, got uint32) string {
	return fmt.Sprintf("sign count went from %d to %d", stored, got)
}

// suspect quarantines the credential and returns why the sign-in fails. Here the
// record comes after the act: a log that fails must not keep a copied key in use.
func (p *RelyingParty) suspect(ctx context.Context, c Credential, owner User, count uint32, now time.Time, e audit.Event) error {
	ctx = context.WithoutCancel(ctx) // a clone must not escape by hanging up
	reason := regress(c.SignCount, count)
	c.enter(StateQuarantined, reason, Act{}, now)
	err := p.store.UpdateCredential(ctx, c)
	for n := 0; errors.Is(err, ErrConflict) && n < maxConflicts; n++ {
		if c, err = p.store.Credential(ctx, c.ID); err != nil || c.State != StateActive {
			break
		}
		c.enter(StateQuarantined, reason, Act{}, now)
		err = p.store.UpdateCredential(ctx, c)
	}
	e.Type, e.Outcome, e.Reason = "clone.suspected", audit.OK, reason
	recording := p.record(ctx, e)
	if err != nil {
		return errors.Join(fmt.Errorf("quarantining the credential: %w", err), recording)
	}
	if c.State != StateQuarantined { // somebody has just revoked it
		return c.usable()
	}
	e.Type = "credential.quarantined"
	p.notify(ctx, Notice{Type: e.Type, User: owner, Credential: &c, Act: Act{Rationale: reason, RemoteAddr: e.RemoteAddr}, At: now})
	refused := &VerificationError{Check: "sign count", Spec: specAssertion, Signed: true, Detail: reason, cause: ErrQuarantined}
	if err := errors.Join(recording, p.record(ctx, e)); err != nil {
		return errors.Join(refused, err)
	}
	return refused
}
