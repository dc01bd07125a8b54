package fido

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lakekey/lakekey/fido/audit"
	"github.com/lakekey/lakekey/internal/secret"
)

// BeginSignIn returns the options with which the person's client asks a key. An
// unknown user gets options too, which lead nowhere.
func (p *RelyingParty) BeginSignIn(ctx context.Context, req SignInRequest) (*Ceremony, error) {
	if req.Purpose == "" {
		req.Purpose = PurposeSignIn
	}
	if req.Purpose != PurposeSignIn && req.Purpose != PurposeStepUp {
		return nil, fmt.Errorf("fido: %q is no purpose of a sign-in", req.Purpose)
	}
	if req.Purpose == PurposeStepUp && req.UserName == "" {
		return nil, errors.New("fido: a step-up names the person")
	}
	now := p.cfg.Now()
	r, ceremony := p.newCeremony(req.Purpose, req.RemoteAddr, now)
	r.UserAgent = req.UserAgent
	allow := []credentialRef{}
	if req.UserName != "" {
		var err error
		if r.UserHandle, allow, err = p.whoIs(ctx, req.UserName); err != nil {
			return nil, err
		}
		for _, ref := range allow {
			r.Allowed = append(r.Allowed, ref.ID)
		}
	}
	var err error
	if ceremony.Options, err = p.requestOptions(r.Challenge, allow); err != nil {
		return nil, err
	}
	if err := p.store.PutCeremony(ctx, r, now); err != nil {
		return nil, fmt.Errorf("keeping the ceremony: %w", err)
	}
	e := r.event()
	e.Type, e.Outcome, e.User = "ceremony.begun", audit.OK, req.UserName
	if err := p.record(ctx, e); err != nil {
		return nil, err
	}
	return ceremony, nil
}

// FinishSignIn verifies the client's AuthenticationResponseJSON. The purpose, ""
// meaning PurposeSignIn, is what the caller will use the proof for. It returns
// ErrCeremonyNotFound, a *VerificationError (which wraps ErrQuarantined if the
// credential was quarantined because of it), ErrPending, ErrQuarantined,
// ErrRevoked, ErrBlocked, a *PolicyError or an *UnsupportedAlgorithmError where
// the response is at fault. Whatever it returns, the ceremony is over.
func (p *RelyingParty) FinishSignIn(ctx context.Context, ceremony secret.Value, purpose Purpose, response []byte) (*Proof, error) {
	now := p.cfg.Now()
	if purpose == "" {
		purpose = PurposeSignIn
	}
	if purpose == PurposeRegistration { // must not burn what is somebody's registration
		return nil, fmt.Errorf("fido: %q is no purpose of a sign-in", purpose)
	}
	r, err := p.take(ctx, ceremony, purpose, now)
	if err != nil {
		return nil, err
	}
	e := r.event()
	proof, err := p.signIn(ctx, &r, response, now, &e)
	if err != nil {
		return nil, p.refuse(ctx, e, err)
	}
	e.Type, e.Outcome = "ceremony.finished", audit.OK
	if err := p.record(context.WithoutCancel(ctx), e); err != nil {
		return nil, err
	}
	return proof, nil
}

func (p *RelyingParty) signIn(ctx context.Context, r *CeremonyRecord, response []byte, now time.Time, e *audit.Event) (*Proof, error) {
	a, err := readAssertion(response)
	if err != nil {
		return nil, err
	}
	e.CredentialHash = audit.HashID(a.credentialID)
	c, err := p.owned(ctx, r, &a)
	if err != nil {
		return nil, err
	}
	user, err := p.store.User(ctx, c.UserHandle)
	if err != nil {
		return nil, fmt.Errorf("reading the user: %w", err)
	}
	c.describe(e)
	e.User = user.Name
	v, err := p.verifyAssertion(r, &a, &c)
	if err != nil {
		return nil, err
	}
	e.Group = strings.Join(user.Groups, ", ")
	e.Origin, e.UserVerified, e.SignCount, e.BackupState = v.origin, v.flags&flagUV != 0, v.signCount, v.flags&flagBS != 0
	// Only now: before the signature has been verified, anybody could be asking.
	if err := usable(&c, &user); err != nil {
		return nil, err
	}
	t := p.trust(ctx, now)
	known := t.current(&c, v.flags&flagBE != 0, v.flags&flagUV != 0)
	if _, err := p.admit(&user, known, e); err != nil {
		return nil, err
	}
	if c, err = p.advance(ctx, c, user, v, now, e); err != nil {
		return nil, err
	}
	return &Proof{
		User: user, CredentialID: c.ID, Purpose: r.Purpose, At: now, Origin: v.origin, Algorithm: c.Algorithm, SignCount: v.signCount,
		Evidence: known, PolicyHash: e.PolicyHash, Rule: e.Rule,
		UserPresent: v.flags&flagUP != 0, UserVerified: v.flags&flagUV != 0,
		BackupEligible: v.flags&flagBE != 0, BackupState: v.flags&flagBS != 0,
	}, nil
}

// owned returns the credential that the assertion names, if it may be used in
// this ceremony.
func (p *RelyingParty) owned(ctx context.Context, r *CeremonyRecord, a *assertion) (Credential, error) {
	fail := func(check, detail string) (Credential, error) {
		return Credential{}, &VerificationError{Check: check, Spec: specAssertion, Detail: detail}
	}
	const unknown = "this key is not registered for this account"
	named := len(r.UserHandle) > 0
	// "If pkOptions.allowCredentials is not empty, verify that credential.id
	// identifies one of the public key credentials listed in it."
	if named && !slices.ContainsFunc(r.Allowed, func(id []byte) bool { return bytes.Equal(id, a.credentialID) }) {
		return fail("credential", unknown)
	}
	c, err := p.store.Credential(ctx, a.credentialID)
	if errors.Is(err, ErrNotFound) {
		p.pretend(ctx, r, a)
		return fail("credential", unknown)
	} else if err != nil {
		return Credential{}, fmt.Errorf("reading the credential: %w", err)
	}
	// "Identify the user being authenticated and let credentialRecord be the
	// credential record for the credential": if the user was identified before,
	// the record must be theirs, and a user handle must name them; if not, the
	// user handle must be present and name the owner. A relying party that took
	// the record of whomever the ID belongs to let strangers in (YSA-2026-02).
	if named && !bytes.Equal(c.UserHandle, r.UserHandle) {
		return fail("user", unknown)
	}
	if !named && a.userHandle == nil {
		return fail("user", "the key did not say whose it is; name the user first")
	}
	if a.userHandle != nil && !bytes.Equal(a.userHandle, c.UserHandle) {
		return fail("user", "the key names another person than the one it is registered to")
	}
	return c, nil
}
