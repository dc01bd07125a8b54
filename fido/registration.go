package fido

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/go-webauthn/webauthn/protocol"

	"github.com/lakekey/lakekey/fido/audit"
	"github.com/lakekey/lakekey/internal/secret"
	"github.com/lakekey/lakekey/internal/strictjson"
)

// maxResponse bounds what is parsed of a stranger's response. The largest real
// ones, with long certificate chains, have a few kilobytes.
const maxResponse = 64 << 10

// BeginRegistration returns the options with which the person's client makes a
// new credential. It returns ErrInviteInvalid for an invitation that cannot be
// used and ErrNotFound for an unknown UserHandle.
func (p *RelyingParty) BeginRegistration(ctx context.Context, req RegistrationRequest) (*Ceremony, error) {
	if req.Invite.IsZero() == (len(req.UserHandle) == 0) {
		return nil, errors.New("fido: a registration needs either an invitation or a user handle")
	}
	now := p.cfg.Now()
	r, ceremony := p.newCeremony(PurposeRegistration, req.RemoteAddr, now)
	r.UserHandle, r.CredentialName, r.Conditional, r.UserAgent = req.UserHandle, req.Name, req.Conditional, req.UserAgent
	if !req.Invite.IsZero() {
		id := hashToken(req.Invite)
		invite, err := p.invite(ctx, id, now)
		if errors.Is(err, ErrInviteInvalid) {
			return nil, p.refuse(ctx, r.event(), err)
		} else if err != nil {
			return nil, err
		}
		r.Invite, r.UserHandle = &id, invite.UserHandle
	}
	user, err := p.store.User(ctx, r.UserHandle)
	if err != nil {
		return nil, fmt.Errorf("reading the user: %w", err)
	}
	known, err := p.store.Credentials(ctx, user.Handle)
	if err != nil {
		return nil, fmt.Errorf("reading the user's credentials: %w", err)
	}
	if ceremony.Options, err = p.creationOptions(user, r.Challenge, notRevoked(known)); err != nil {
		return nil, err
	}
	if err := p.store.PutCeremony(ctx, r, now); err != nil {
		return nil, fmt.Errorf("keeping the ceremony: %w", err)
	}
	e := r.event()
	e.Type, e.Outcome, e.User = "ceremony.begun", audit.OK, user.Name
	if err := p.record(ctx, e); err != nil {
		return nil, err
	}
	return ceremony, nil
}

// invite returns the invitation, or ErrInviteInvalid if it cannot be used now.
func (p *RelyingParty) invite(ctx context.Context, id Hash, now time.Time) (Invite, error) {
	i, err := p.store.Invite(ctx, id)
	switch {
	case errors.Is(err, ErrNotFound):
		return Invite{}, ErrInviteInvalid
	case err != nil:
		return Invite{}, fmt.Errorf("reading the invitation: %w", err)
	case !now.Before(i.Expires):
		return Invite{}, ErrInviteInvalid
	}
	return i, nil
}

// FinishRegistration verifies the client's RegistrationResponseJSON and adds the
// credential. It returns ErrCeremonyNotFound, ErrInviteInvalid,
// ErrCredentialExists, a *VerificationError or an *UnsupportedAlgorithmError
// where the response is at fault. Whatever it returns, the ceremony is over; the
// invitation is used up only if it returns nil.
func (p *RelyingParty) FinishRegistration(ctx context.Context, ceremony secret.Value, response []byte) (*Credential, error) {
	now := p.cfg.Now()
	r, err := p.take(ctx, ceremony, PurposeRegistration, now)
	if err != nil {
		return nil, err
	}
	e := r.event()
	c, err := p.register(ctx, r, response, now, &e)
	if err != nil {
		return nil, p.refuse(ctx, e, err)
	}
	return c, nil
}

func (p *RelyingParty) register(ctx context.Context, r CeremonyRecord, response []byte, now time.Time, e *audit.Event) (*Credential, error) {
	user, err := p.store.User(ctx, r.UserHandle)
	if err != nil {
		return nil, fmt.Errorf("reading the user: %w", err)
	}
	e.User = user.Name
	c, origin, err := p.verifyRegistration(r, response, now)
	if err != nil {
		return nil, err
	}
	e.Origin, e.CredentialHash, e.AAGUID = origin, audit.HashID(c.ID), c.Evidence.AAGUID.String()
	e.Attestation, e.UserVerified = c.Evidence.Verdict.String(), c.UserVerified
	if r.Invite != nil {
		if _, err := p.invite(ctx, *r.Invite, now); err != nil {
			return nil, err
		}
	}
	if err := p.addCredential(ctx, c, r.Invite, *e); err != nil {
		return nil, err
	}
	c.Revision = 1
	return c, nil
}

// addCredential stores c between the record that it is about to be and the
// record that it was: there is no credential that the log does not know.
func (p *RelyingParty) addCredential(ctx context.Context, c *Credential, invite *Hash, e audit.Event) error {
	e.Type = "credential.registered"
	if p.cfg.Audit == nil {
		return p.store.AddCredential(ctx, *c, Addition{Invite: invite, Limit: p.cfg.MaxCredentials})
	}
	intent, err := p.cfg.Audit.Begin(ctx, e)
	if err != nil {
		return fmt.Errorf("recording the registration: %w", err)
	}
	if err := p.store.AddCredential(ctx, *c, Addition{Invite: invite, Limit: p.cfg.MaxCredentials}); err != nil {
		outcome := audit.Failed
		if denied(err) {
			outcome = audit.Denied
		}
		failed := e
		failed.Reason = err.Error()
		return errors.Join(err, intent.End(ctx, outcome, failed))
	}
	// From here on the credential exists. A log that fails now does not undo that:
	// its intent is on disk, and everything that comes next will be refused.
	ended := []error{intent.End(ctx, audit.OK, e)}
	if invite != nil {
		ended = append(ended, p.record(context.WithoutCancel(ctx), audit.Event{Type: "invite.used", Outcome: audit.OK, User: e.User, CredentialHash: e.CredentialHash, RemoteAddr: e.RemoteAddr}))
	}
	finished := e
	finished.Type, finished.Outcome = "ceremony.finished", audit.OK
	ended = append(ended, p.record(context.WithoutCancel(ctx), finished))
	if err := errors.Join(ended...); err != nil {
		p.cfg.Logger.ErrorContext(ctx, "a credential was registered, and its record could not be completed", "error", err)
	}
	return nil
}

// verifyRegistration follows WebAuthn §7.1.
// https://www.w3.org/TR/webauthn-3/#sctn-registering-a-new-credential
func (p *RelyingParty) verifyRegistration(r CeremonyRecord, response []byte, now time.Time) (*Credential, string, error) {
	fail := func(check, detail string) (*Credential, string, error) {
		return nil, "", &VerificationError{Check: check, Spec: specRegistration, Detail: detail}
	}
	if len(response) > maxResponse {
		return fail("size", fmt.Sprintf("the response is larger than %d bytes", maxResponse))
	}
	if err := strictjson.Check(response); err != nil {
		return fail("response", err.Error())
	}
	var whole protocol.CredentialCreationResponse
	if err := json.Unmarshal(response, &whole); err != nil {
		return fail("response", foreign(err))
	}
	raw := &whole.AttestationResponse
	if len(raw.ClientDataJSON) == 0 || len(raw.AttestationObject) == 0 {
		return fail("response", "clientDataJSON or attestationObject is missing")
	}
	origin, err := p.checkClientData(raw.ClientDataJSON, typeCreate, r.Challenge)
	if err != nil {
		return nil, "", err
	}
	parsed, err := whole.Parse()
	if err != nil {
		return fail("response", malformed(raw, err))
	}
	att := &parsed.Response.AttestationObject
	data := &att.AuthData
	if err := p.checkAuthenticatorData(data.RPIDHash, byte(data.Flags), r.UserVerification, specRegistration); err != nil {
		return nil, "", err
	}
	// "Verify that the "alg" parameter in the credential public key in authData
	// matches the alg attribute of one of the items in pkOptions.pubKeyCredParams."
	// First the plainer fact that there would be no way to use such a key.
	alg, err := coseAlgorithm(data.AttData.CredentialPublicKey)
	if err != nil {
		return fail("public key", err.Error())
	}
	if !alg.supported() {
		return nil, "", &UnsupportedAlgorithmError{Algorithm: alg}
	}
	if !slices.Contains(p.cfg.Algorithms, alg) {
		return fail("algorithm", alg.String()+" was not asked for")
	}
	if _, err := parsePublicKey(data.AttData.CredentialPublicKey); err != nil {
		return fail("public key", err.Error())
	}
	// The ID outside of the signature must be the one inside: a client that says
	// otherwise would have its next sign-in look up a stranger's key.
	if !bytes.Equal(parsed.RawID, data.AttData.CredentialID) {
		return fail("credential ID", "the response names another credential than the key attests to")
	}
	evidence, err := p.attest(att, raw.ClientDataJSON, now)
	if err != nil {
		return nil, "", err
	}
	return &Credential{
		ID: bytes.Clone(data.AttData.CredentialID), UserHandle: r.UserHandle,
		PublicKey: bytes.Clone(data.AttData.CredentialPublicKey), Algorithm: alg, SignCount: data.Counter,
		Evidence: evidence, Name: r.CredentialName, Transports: transports(raw.Transports),
		UserVerified: data.Flags.HasUserVerified(), BackupEligible: data.Flags.HasBackupEligible(), BackupState: data.Flags.HasBackupState(),
		State: StateActive, StateSince: now, Created: now, Approved: now,
		AttestationObject: raw.AttestationObject, ClientDataJSON: raw.ClientDataJSON,
	}, origin, nil
}

// transports keeps what a later options object can carry of the client's list:
// it is stored as the client wrote it, unknown values included (§5.8.4), so it
// is bounded.
func transports(all []string) []string {
	var kept []string
	for _, t := range all {
		if len(t) > 0 && len(t) <= 32 && len(kept) < 8 && !slices.Contains(kept, t) {
			kept = append(kept, t)
		}
	}
	slices.Sort(kept)
	return kept
}

// foreign puts an error of go-webauthn in our words: its type and details. What
// it says beyond that repeats parts of the response.
func foreign(err error) string {
	var e *protocol.Error
	if errors.As(err, &e) {
		if e.Details != "" {
			return e.Details
		}
		return e.Type
	}
	return "malformed"
}

// malformed says what go-webauthn could not parse in an attestation; its own
// error does not.
func malformed(raw *protocol.AuthenticatorAttestationResponse, err error) string {
	var e *protocol.Error
	if _, err := raw.Parse(); errors.As(err, &e) && e.DevInfo != "" {
		return e.DevInfo
	}
	return foreign(err)
}
