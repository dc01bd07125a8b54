package issuer

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/lakekey/lakekey/fido"
	"github.com/lakekey/lakekey/fido/audit"
)

// The types of the issuer's audit events. Sign-ins themselves are recorded by
// the relying party.
const (
	eventIssue     = "token.issue"    // the first tokens of a session, its refresh token included
	eventRefresh   = "token.refresh"  // further tokens
	eventExchange  = "token.exchange" // a token with which an agent acts for a person
	eventAuthorize = "authorize"      // only refusals: a proof that did not become a session
	eventDevice    = "device.decide"  // a person let a device in, or did not
	eventEnd       = "session.end"    // before its hard end
	eventLogout    = "session.tell"   // a client, that it is over
	eventKey       = "issuer.key.add"
	eventKeyRevoke = "issuer.key.revoke"
)

// event describes an act on a session.
func (i *Issuer) event(typ string, c *call, s *Session) audit.Event {
	return audit.Event{
		Type:           typ,
		User:           s.UserName,
		SessionID:      s.ID,
		ClientID:       s.ClientID,
		CredentialHash: audit.HashID(s.CredentialID),
		AAGUID:         s.AAGUID,
		Attestation:    s.Attestation,
		UserVerified:   s.UserVerified,
		RemoteAddr:     c.remote,
		Scope:          s.Scope,
		ACR:            s.ACR,
		AMR:            s.AMR,
	}
}

// end closes an intent whose act did not happen. If this cannot be written
// either, the log shows an open intent, which is what happened as far as
// anybody knows.
func (i *Issuer) end(ctx context.Context, intent *audit.Intent, outcome audit.Outcome, e audit.Event, cause error) {
	if err := intent.End(context.WithoutCancel(ctx), outcome, e); err != nil {
		i.log.ErrorContext(ctx, "recording a failure", "error", err, "failure", cause)
	}
}

// unsettled closes the intent of tokens that were signed and given to nobody.
func (i *Issuer) unsettled(ctx context.Context, intent *audit.Intent, e audit.Event, cause error) {
	if ref, ok := errors.AsType[*refusal](cause); ok {
		e.Reason = ref.description
		i.end(ctx, intent, audit.Denied, e, cause)
		return
	}
	e.Reason = "the refresh token could not be replaced"
	i.end(ctx, intent, audit.Failed, e, cause)
}

// refused records that a session's refresh token was presented for an act of type
// typ and why nothing came of it, and returns err. Faults of ours are no refusals.
func (i *Issuer) refused(ctx context.Context, typ string, c *call, s *Session, err error) error {
	ref, ok := errors.AsType[*refusal](err)
	if !ok {
		return err
	}
	e := i.event(typ, c, s)
	e.Outcome, e.Reason, e.Audience = audit.Denied, ref.description, c.form["audience"]
	if aerr := i.audit.Append(context.WithoutCancel(ctx), e); aerr != nil {
		i.log.ErrorContext(ctx, "recording a refusal", "error", aerr)
	}
	return err
}

// denied records that a verified proof was not enough for what was asked.
func (i *Issuer) denied(ctx context.Context, c *call, req *Request, p *fido.Proof, ref *refusal) error {
	e := audit.Event{
		Type:           eventAuthorize,
		Outcome:        audit.Denied,
		Reason:         ref.description,
		User:           p.User.Name,
		ClientID:       req.ClientID,
		CredentialHash: audit.HashID(p.CredentialID),
		AAGUID:         p.Evidence.AAGUID.String(),
		Attestation:    p.Evidence.Verdict.String(),
		UserVerified:   p.UserVerified,
		RemoteAddr:     c.remote,
		Audience:       req.Audience,
		Scope:          req.Scope,
	}
	if err := i.audit.Append(context.WithoutCancel(ctx), e); err != nil {
		return fmt.Errorf("recording a refusal: %w", err)
	}
	return ref
}

// abandon ends a session whose first tokens will not be, whoever hung up in the
// meantime, and returns err.
func (i *Issuer) abandon(ctx context.Context, s *Session, reason string, err error) error {
	ctx = context.WithoutCancel(ctx)
	if end := i.EndSession(ctx, s.ID, reason); end != nil {
		i.log.ErrorContext(ctx, "ending a session", "session", s.ID, "error", end)
		if _, ok := errors.AsType[*refusal](err); !ok {
			return errors.Join(err, end)
		}
	}
	return err
}

func (i *Issuer) recordEnd(ctx context.Context, id, reason string) error {
	err := i.audit.Append(context.WithoutCancel(ctx), audit.Event{Type: eventEnd, Outcome: audit.OK, Reason: reason, SessionID: id})
	if err != nil {
		return fmt.Errorf("recording the end of a session: %w", err)
	}
	return nil
}

// recordKeys records which signing keys there are, and which were revoked, once over
// all replicas. Whoever adds or revokes one may be a program that cannot write the
// log, or one that nobody knows of: what counts here is what the store holds.
func (i *Issuer) recordKeys(ctx context.Context, keys []Key) error {
	for _, k := range keys {
		e := audit.Event{Type: eventKey, Outcome: audit.OK, Reason: "signing key " + k.ID + ", which signs from " + k.SignsFrom.UTC().Format(time.RFC3339)}
		if err := i.recordKey(ctx, k.ID, e); err != nil {
			return err
		}
		if k.Revoked.IsZero() {
			continue
		}
		e = audit.Event{Type: eventKeyRevoke, Outcome: audit.OK, Reason: "signing key " + k.ID + ", at " + k.Revoked.UTC().Format(time.RFC3339), Rationale: k.RevokeReason}
		if err := i.recordKey(ctx, k.ID, e); err != nil {
			return err
		}
	}
	return nil
}

func (i *Issuer) recordKey(ctx context.Context, id string, e audit.Event) error {
	mark := e.Type + "\x00" + id
	if i.noted[mark] {
		return nil
	}
	err := i.store.AddProof(ctx, Hash(sha256.Sum256([]byte(mark))), i.now().AddDate(100, 0, 0))
	if err == nil {
		err = i.audit.Append(context.WithoutCancel(ctx), e)
	}
	if err != nil && !errors.Is(err, ErrTaken) {
		return fmt.Errorf("recording a signing key: %w", err)
	}
	i.noted[mark] = true
	return nil
}

// point marks the gap between two steps, where tests let a process die.
func (i *Issuer) point(name string) {
	if i.failPoint != nil {
		i.failPoint(name)
	}
}
