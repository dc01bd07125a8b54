package fido

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-webauthn/webauthn/protocol"

	"github.com/lakekey/lakekey/fido/audit"
	"github.com/lakekey/lakekey/fido/keypolicy"
	"github.com/lakekey/lakekey/internal/secret"
	"github.com/lakekey/lakekey/internal/strictjson"
)

// maxResponse bounds what is parsed of a stranger's response. The largest real
// ones, with long certificate chains, have a few kilobytes.
const maxResponse = 64 << 10

// BeginRegistration returns the options with which the person's client makes a
// new credential. It returns ErrInviteInvalid for an invitation that cannot be
// used, ErrNotFound for an unknown UserHandle or a SignedInBy that is not theirs,
// ErrBlocked or ErrLimit if the person may have no further key, and what
// FinishRegistration returns if SignedInBy has come to an end.
func (p *RelyingParty) BeginRegistration(ctx context.Context, req RegistrationRequest) (*Ceremony, error) {
	if req.Invite.IsZero() == (len(req.UserHandle) == 0) {
		return nil, errors.New("fido: a registration needs either an invitation or a user handle")
	}
	if req.Name = strings.TrimSpace(req.Name); req.Name != "" {
		if err := checkText("name", req.Name, maxCredentialName); err != nil {
			return nil, err
		}
	}
	now := p.cfg.Now()
	r, ceremony := p.newCeremony(PurposeRegistration, req.RemoteAddr, now)
	r.UserHandle, r.CredentialName, r.Conditional, r.UserAgent = req.UserHandle, req.Name, req.Conditional, req.UserAgent
	e := r.event()
	if !req.Invite.IsZero() {
		id, recovery := hashInvite(req.Invite)
		if e.InviteHash = hex.EncodeToString(id[:]); recovery {
			e.Type = "recovery.failed"
		}
		invite, err := p.invite(ctx, id, now)
		if errors.Is(err, ErrInviteInvalid) {
			return nil, p.refuse(ctx, e, err)
		} else if err != nil {
			return nil, err
		}
		r.Invite, r.UserHandle, e.Type = &id, invite.UserHandle, ""
	}
	user, err := p.store.User(ctx, r.UserHandle)
	if err != nil {
		return nil, fmt.Errorf("reading the user: %w", err)
	}
	known, err := p.store.Credentials(ctx, user.Handle)
	if err != nil {
		return nil, fmt.Errorf("reading the user's credentials: %w", err)
	}
	if e.User = user.Name; len(req.SignedInBy) > 0 {
		r.Allowed = [][]byte{req.SignedInBy}
	}
	if err := vouched(&r, &user, known); err != nil {
		return nil, p.refuse(ctx, e, err)
	}
	known = notRevoked(known)
	// Better now than after the person has touched the key. What counts is the
	// check at the end.
	if err := p.mayRegister(&user, len(known)); err != nil {
		return nil, p.refuse(ctx, e, err)
	}
	if ceremony.Options, err = p.creationOptions(user, r.Challenge, known); err != nil {
		return nil, err
	}
	if err := p.store.PutCeremony(ctx, r, now); err != nil {
		return nil, fmt.Errorf("keeping the ceremony: %w", err)
	}
	e.Type, e.Outcome = "ceremony.begun", audit.OK
	if err := p.record(ctx, e); err != nil {
		return nil, err
	}
	return ceremony, nil
}

// vouched returns nil if the key that the registration rests on, if it rests on
// one, signs in: a thief who has begun to register a key of their own when the stolen
// one is reported lost does not finish.
func vouched(r *CeremonyRecord, owner *User, held []Credential) error {
	for _, id := range r.Allowed {
		i := slices.IndexFunc(held, func(c Credential) bool { return bytes.Equal(c.ID, id) })
		if i < 0 {
			return ErrNotFound
		}
		if err := usable(&held[i], owner); err != nil {
			return fmt.Errorf("registering by a key that signs in no more: %w", err)
		}
	}
	return nil
}

// mayRegister returns nil if a person who holds so many keys may have another.
func (p *RelyingParty) mayRegister(user *User, held int) error {
	if user.Blocked != "" {
		return ErrBlocked
	}
	if held >= p.limit(user) {
		return ErrLimit
	}
	return nil
}

// limit returns how many keys that are not revoked the person may have. The
// policy's word about these people goes before the configuration's about all.
func (p *RelyingParty) limit(user *User) int {
	if n := p.cfg.Policy.Limit(keypolicy.Subject{User: user.Name, Groups: user.Groups}); n > 0 {
		return n
	}
	return p.cfg.MaxCredentials
}

// invite returns the invitation, or ErrInviteInvalid if it cannot be used now.
func (p *RelyingParty) invite(ctx context.Context, id Hash, now time.Time) (Invite, error) {
	i, err := p.store.Invite(ctx, id)
	switch {
	case errors.Is(err, ErrNotFound):
		return Invite{}, ErrInviteInvalid
	case err != nil:
		return Invite{}, fmt.Errorf("reading the invitation: %w", err)
	case !i.Expires.IsZero() && !now.Before(i.Expires):
		return Invite{}, ErrInviteInvalid
	}
	return i, nil
}

// FinishRegistration verifies the client's RegistrationResponseJSON and adds the
// credential. It returns ErrCeremonyNotFound, ErrInviteInvalid,
// ErrCredentialExists, ErrSerialTaken, ErrLimit, ErrBlocked, a *PolicyError, a
// *VerificationError or an *UnsupportedAlgorithmError where the response is at
// fault, and ErrRevoked or ErrQuarantined if the key that the person had signed in
// with, see [RegistrationRequest], has become that meanwhile. Whatever it returns, the ceremony is over; the invitation is used up
// only if it returns nil.
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
	if user.Blocked != "" {
		return nil, ErrBlocked
	}
	if len(r.Allowed) > 0 {
		held, err := p.store.Credentials(ctx, user.Handle)
		if err != nil {
			return nil, fmt.Errorf("reading the user's credentials: %w", err)
		}
		if err := vouched(&r, &user, held); err != nil {
			return nil, err
		}
	}
	c, origin, err := p.verifyRegistration(ctx, r, response, now)
	if err != nil {
		return nil, err
	}
	e.Origin, e.UserVerified, e.SignCount = origin, c.UserVerified, c.SignCount
	var invite *Invite
	if r.Invite != nil {
		found, err := p.invite(ctx, *r.Invite, now)
		if err != nil {
			return nil, err
		}
		invite = &found
	}
	if c.Name == "" {
		if c.Name, err = p.nameFor(ctx, c); err != nil {
			return nil, err
		}
	}
	c.describe(e)
	d, err := p.admit(&user, c.Evidence, e)
	if err != nil {
		return nil, err
	}
	if d.NeedsApproval {
		c.State, c.StateReason, c.Approved = StatePending, d.String(), time.Time{}
	}
	e.Group = strings.Join(user.Groups, ", ")
	if err := p.addCredential(ctx, c, invite, p.limit(&user), *e); err != nil {
		return nil, err
	}
	c.Revision = 1
	p.announce(ctx, c, user, invite, e.RemoteAddr)
	return c, nil
}

// nameFor makes up a name for a key whose owner gave it none.
func (p *RelyingParty) nameFor(ctx context.Context, c *Credential) (string, error) {
	others, err := p.store.Credentials(ctx, c.UserHandle)
	if err != nil {
		return "", fmt.Errorf("reading the user's credentials: %w", err)
	}
	what := "Key"
	if c.BackupEligible {
		what = "Passkey"
	}
	return fmt.Sprintf("%s %d", what, len(others)+1), nil
}

// addCredential stores c between the record that it is about to be and the
// record that it was: there is no credential that the log does not know.
func (p *RelyingParty) addCredential(ctx context.Context, c *Credential, invite *Invite, limit int, e audit.Event) error {
	a := Addition{Limit: limit}
	if invite != nil {
		a.Invite, e.InviteHash = &invite.ID, hex.EncodeToString(invite.ID[:])
	}
	e.Type = "credential.registered"
	err := p.perform(ctx, e, func(ctx context.Context) error {
		if err := p.store.AddCredential(ctx, *c, a); err != nil {
			return fmt.Errorf("adding the credential: %w", err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	// The credential exists. What follows says so in other words, and a log that
	// fails now is refused the next intent.
	var types []string
	if c.State == StatePending {
		types = append(types, "credential.pending")
	}
	if invite != nil {
		types = append(types, map[InviteKind]string{KindLink: "invite.used", KindRecovery: "recovery.used"}[invite.Kind])
	}
	e.Outcome = audit.OK
	for _, e.Type = range append(types, "ceremony.finished") {
		e.Rationale = ""
		if e.Type == "invite.used" && invite.By != "" { // perhaps by a program that cannot write this log
			e.Rationale = "issued by " + invite.By + " at " + invite.Created.UTC().Format(time.RFC3339)
		}
		if err := p.record(context.WithoutCancel(ctx), e); err != nil {
			p.cfg.Logger.ErrorContext(ctx, "a credential was registered, and its record could not be completed", "type", e.Type, "error", err)
		}
	}
	return nil
}

// announce tells the person about a new key, which they may not be the one to
// have registered.
func (p *RelyingParty) announce(ctx context.Context, c *Credential, user User, invite *Invite, remoteAddr string) {
	n := Notice{Type: "credential.registered", User: user, Credential: c, Act: Act{By: user.Name, RemoteAddr: remoteAddr}, At: c.Created}
	if c.State == StatePending {
		n.Type = "credential.pending"
	}
	p.notify(ctx, n)
	if invite != nil && invite.Kind == KindRecovery {
		var err error
		if n.RecoveryCodes, err = p.recoveryCodes(context.WithoutCancel(ctx), user.Handle); err != nil {
			p.cfg.Logger.WarnContext(ctx, "recovery codes could not be counted", "error", err)
		}
		n.Type = "recovery.used"
		p.notify(ctx, n)
	}
}

// verifyRegistration follows WebAuthn §7.1.
// https://www.w3.org/TR/webauthn-3/#sctn-registering-a-new-credential
func (p *RelyingParty) verifyRegistration(ctx context.Context, r CeremonyRecord, response []byte, now time.Time) (*Credential, string, error) {
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
	if err := p.checkAuthenticatorData(data.RPIDHash, byte(data.Flags), &r, specRegistration); err != nil {
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
	c := &Credential{
		ID: bytes.Clone(data.AttData.CredentialID), UserHandle: r.UserHandle,
		PublicKey: bytes.Clone(data.AttData.CredentialPublicKey), Algorithm: alg, SignCount: data.Counter,
		Name: r.CredentialName, Transports: transports(raw.Transports),
		Discoverable: discoverable(whole.ClientExtensionResults),
		UserVerified: data.Flags.HasUserVerified(), BackupEligible: data.Flags.HasBackupEligible(), BackupState: data.Flags.HasBackupState(),
		State: StateActive, StateSince: now, Created: now, Approved: now,
		AttestationObject: raw.AttestationObject, ClientDataJSON: raw.ClientDataJSON,
	}
	if err := p.attest(ctx, att, c); err != nil {
		return nil, "", err
	}
	return c, origin, nil
}

// discoverable reads the client's answer to credProps: it says so, and only it
// knows. https://www.w3.org/TR/webauthn-3/#sctn-authenticator-credential-properties-extension
func discoverable(results protocol.AuthenticationExtensionsClientOutputs) bool {
	return results.CredProps != nil && results.CredProps.RK != nil && *results.CredProps.RK
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
