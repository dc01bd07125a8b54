package fido

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/lakekey/lakekey/fido/audit"
	"github.com/lakekey/lakekey/internal/secret"
)

// RelyingParty registers keys and verifies sign-ins.
type RelyingParty struct {
	cfg      Config
	store    Store
	rpIDHash Hash
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
	return &RelyingParty{cfg: cfg, store: store, rpIDHash: sha256.Sum256([]byte(cfg.ID))}, nil
}

// maxInviteTTL keeps a forgotten invitation from being a way in for ever.
const maxInviteTTL = 30 * 24 * time.Hour

// Invite returns a token with which the person called userName can register a
// key, once, within ttl. A person who is not known yet becomes known. The store
// keeps only a hash of the token.
func (p *RelyingParty) Invite(ctx context.Context, userName string, ttl time.Duration) (secret.Value, error) {
	if ttl <= 0 || ttl > maxInviteTTL {
		return secret.Value{}, fmt.Errorf("fido: an invitation lives up to %v, not %v", maxInviteTTL, ttl)
	}
	key, err := userKey(userName)
	if err != nil {
		return secret.Value{}, err
	}
	user, err := p.store.EnsureUser(ctx, key, newUser(userName, p.cfg.Now()))
	if err != nil {
		return secret.Value{}, fmt.Errorf("adding the user: %w", err)
	}
	token := newToken()
	now := p.cfg.Now()
	invite := Invite{ID: hashToken(token), UserHandle: user.Handle, Kind: KindLink, Created: now, Expires: now.Add(ttl)}
	if err := p.store.AddInvites(ctx, []Invite{invite}, false); err != nil {
		return secret.Value{}, fmt.Errorf("adding the invitation: %w", err)
	}
	if err := p.record(ctx, audit.Event{Type: "invite.issued", Outcome: audit.OK, User: user.Name}); err != nil {
		return secret.Value{}, err
	}
	return token, nil
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
	return audit.Event{Purpose: string(r.Purpose), RemoteAddr: r.RemoteAddr}
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
	e.Type = "ceremony.failed"
	e.Outcome = audit.Failed
	if denied(err) {
		e.Outcome = audit.Denied
	}
	if e.Reason == "" {
		e.Reason = err.Error()
	}
	p.cfg.Logger.InfoContext(ctx, "ceremony failed", "purpose", e.Purpose, "reason", e.Reason)
	if recording := p.record(context.WithoutCancel(ctx), e); recording != nil {
		return errors.Join(err, recording)
	}
	return err
}

var refusals = []error{
	ErrCeremonyNotFound, ErrInviteInvalid, ErrCredentialExists, ErrLimit, ErrSerialTaken, ErrPending, ErrQuarantined, ErrRevoked, ErrBlocked,
}

// denied reports whether err is a verdict on the response; otherwise something
// of ours has failed.
func denied(err error) bool {
	var verification *VerificationError
	var algorithm *UnsupportedAlgorithmError
	return errors.As(err, &verification) || errors.As(err, &algorithm) ||
		slices.ContainsFunc(refusals, func(refusal error) bool { return errors.Is(err, refusal) })
}

// Credential returns a registered key, or ErrNotFound. Whether it may be
// used is what [RelyingParty.Active] says.
func (p *RelyingParty) Credential(ctx context.Context, id []byte) (*Credential, error) {
	c, err := p.store.Credential(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("reading the credential: %w", err)
	}
	return &c, nil
}

// User returns the person who has the handle, or ErrNotFound.
func (p *RelyingParty) User(ctx context.Context, handle []byte) (User, error) {
	u, err := p.store.User(ctx, handle)
	if err != nil {
		return User{}, fmt.Errorf("reading the user: %w", err)
	}
	return u, nil
}
