package fido

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/lakekey/lakekey/fido/audit"
	"github.com/lakekey/lakekey/fido/keypolicy"
	"github.com/lakekey/lakekey/internal/secret"
)

// RelyingParty registers keys and verifies sign-ins.
type RelyingParty struct {
	cfg      Config
	store    Store
	rpIDHash Hash
	policy   *keypolicy.Policy // see effective
	pinned   []pinnedRoot
	nobodys  publicKey // see pretend
}

// New returns a relying party that keeps its records in store.
func New(cfg Config, store Store) (*RelyingParty, error) {
	cfg, err := cfg.check()
	if err != nil {
		return nil, err
	}
	if store == nil {
		return nil, errors.New("fido: no store")
	}
	policy, err := effective(cfg)
	if err != nil {
		return nil, err
	}
	nobodys, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("fido: making a key for nobody: %v", err)
	}
	p := &RelyingParty{
		cfg: cfg, store: store, rpIDHash: sha256.Sum256([]byte(cfg.ID)), policy: policy, pinned: pin(cfg.Roots),
		nobodys: ecdsaKey{&nobodys.PublicKey, crypto.SHA256},
	}
	if err := p.recordPolicy(); err != nil {
		return nil, err
	}
	return p, nil
}

// newToken returns a bearer secret of 256 bits.
func newToken() secret.Value { return secret.New(base64.RawURLEncoding.EncodeToString(random32())) }

func hashToken(v secret.Value) Hash { return sha256.Sum256([]byte(v.Reveal())) }

func random32() []byte {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails, as crypto/rand documents
	return b
}

// take removes the ceremony from the store and returns it if it may be finished
// for the given purpose now. Whatever the answer, the ceremony is gone: a
// challenge that has been answered, rightly or wrongly, is never accepted again.
func (p *RelyingParty) take(ctx context.Context, id secret.Value, purpose Purpose, now time.Time) (CeremonyRecord, error) {
	r, err := p.store.TakeCeremony(ctx, hashToken(id))
	switch {
	case errors.Is(err, ErrNotFound):
		return r, p.refuse(ctx, audit.Event{Purpose: string(purpose), Reason: "unknown or already used ceremony"}, ErrCeremonyNotFound)
	case err != nil:
		return r, fmt.Errorf("taking the ceremony: %w", err)
	case r.Purpose != purpose:
		e := r.event()
		e.Reason = "finished as a " + string(purpose)
		return r, p.refuse(ctx, e, ErrCeremonyNotFound)
	case !now.Before(r.Expires):
		e := r.event()
		e.Reason = "expired"
		return r, p.refuse(ctx, e, ErrCeremonyNotFound)
	}
	return r, nil
}

// event returns what a ceremony's events have in common.
func (r *CeremonyRecord) event() audit.Event {
	return audit.Event{Purpose: string(r.Purpose), RemoteAddr: r.RemoteAddr, UserAgent: r.UserAgent}
}

// record appends e to the audit log, if there is one.
func (p *RelyingParty) record(ctx context.Context, e audit.Event) error {
	if p.cfg.Audit == nil {
		return nil
	}
	if err := p.cfg.Audit.Append(ctx, e); err != nil {
		return fmt.Errorf("recording %s: %w", e.Type, err)
	}
	return nil
}

// refuse records that a ceremony failed with err and returns err. The record is
// written even if the client has gone: hanging up must not hide an attempt.
func (p *RelyingParty) refuse(ctx context.Context, e audit.Event, err error) error {
	if e.Type == "" {
		e.Type = "ceremony.failed"
	}
	e.Outcome = outcome(err)
	if e.Reason == "" {
		e.Reason = err.Error()
	}
	p.cfg.Logger.InfoContext(ctx, "ceremony failed", "purpose", e.Purpose, "reason", e.Reason)
	return p.refused(ctx, e, err)
}

// refused records what was refused with err, and returns err. A caller that tells
// a person of the refusal says nothing of a log that fails: the operator is told here.
func (p *RelyingParty) refused(ctx context.Context, e audit.Event, err error) error {
	recording := p.record(context.WithoutCancel(ctx), e)
	if recording == nil {
		return err
	}
	p.cfg.Logger.ErrorContext(ctx, "a refusal could not be recorded", "type", e.Type, "reason", e.Reason, "error", recording)
	return errors.Join(err, recording)
}

var refusals = []error{
	ErrCeremonyNotFound, ErrInviteInvalid, ErrCredentialExists, ErrLimit, ErrSerialTaken, ErrPending, ErrQuarantined, ErrRevoked,
	ErrBlocked, ErrOwnApproval, ErrConflict, ErrNotFound,
}

// denied reports whether err is a verdict on the response; otherwise something
// of ours has failed.
func denied(err error) bool {
	var verification *VerificationError
	var algorithm *UnsupportedAlgorithmError
	var policy *PolicyError
	var invalid *InvalidError
	return errors.As(err, &verification) || errors.As(err, &algorithm) || errors.As(err, &policy) || errors.As(err, &invalid) ||
		slices.ContainsFunc(refusals, func(refusal error) bool { return errors.Is(err, refusal) })
}
