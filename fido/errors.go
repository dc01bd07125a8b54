package fido

import (
	"errors"

	"github.com/lakekey/lakekey/fido/keypolicy"
)

// What a caller decides on. Stores return ErrNotFound, ErrConflict,
// ErrCredentialExists, ErrInviteInvalid, ErrLimit and ErrSerialTaken as they are
// or wrapped.
var (
	// ErrCeremonyNotFound says that there is no such ceremony: it expired, was
	// finished already, was begun for another purpose or never existed. Which of
	// these it was is in the audit log only.
	ErrCeremonyNotFound = errors.New("fido: no such ceremony: it has expired, was used already or was begun for another purpose; begin again")

	// ErrInviteInvalid says that an invitation is unknown, used or expired.
	ErrInviteInvalid = errors.New("fido: the invitation is unknown, used or expired; ask for a new one")

	// ErrCredentialExists says that the key's credential is registered already,
	// to this person or another.
	ErrCredentialExists = errors.New("fido: this credential is registered already")

	// ErrQuarantined says that the credential is not accepted until somebody has
	// looked at it.
	ErrQuarantined = errors.New("fido: this key is quarantined until an administrator has looked at it; use another key, and ask one")

	// ErrPending, ErrRevoked and ErrBlocked say why a key that is registered does
	// not sign in; so does ErrQuarantined. Who has not shown its signature is not
	// told.
	ErrPending = errors.New("fido: this key waits for an administrator to approve it")
	ErrRevoked = errors.New("fido: this key was revoked; use another key, or ask an administrator for a new enrolment link")
	ErrBlocked = errors.New("fido: this person is blocked; ask an administrator")

	// ErrOwnApproval says that somebody wanted to decide about themselves.
	ErrOwnApproval = errors.New("fido: nobody approves, releases or unblocks for themselves; ask another administrator")

	// ErrLimit says that a person has as many keys as the relying party allows.
	ErrLimit = errors.New("fido: no more keys may be registered for this person; revoke one that is not used")

	// ErrSerialTaken says that the same device, by the serial number that its
	// maker attests to, is another person's.
	ErrSerialTaken = errors.New("fido: this key is registered to another person; everybody needs a key of their own")

	// ErrNotFound is what a [Store] returns for a record it does not have.
	ErrNotFound = errors.New("fido: not found")

	// ErrConflict is what a [Store] returns when a record has changed since it
	// was read. From the verbs of a [RelyingParty] it means that somebody else has
	// decided already.
	ErrConflict = errors.New("fido: the record has changed meanwhile")
)

// VerificationError says which check a response did not pass. Unless Signed is
// set, anybody could have sent that response: to tell them the check would be to
// tell them which names and credentials exist, as §14.6.2 warns. It is in the
// audit log.
// https://www.w3.org/TR/webauthn-3/#sctn-username-enumeration
type VerificationError struct {
	Check  string // what was checked, such as "origin" or "signature"
	Spec   string // the clause that demands it
	Detail string // what was found, as far as it helps the client's developer
	Signed bool   // the registered key's signature was right: its holder may be told

	cause error
}

func (e *VerificationError) Error() string {
	s := "fido: verifying " + e.Check
	if e.Detail != "" {
		s += ": " + e.Detail
	}
	if e.cause != nil {
		s += ": " + e.cause.Error()
	}
	return s
}

// Unwrap returns [ErrQuarantined] when the failed check quarantined the
// credential.
func (e *VerificationError) Unwrap() error { return e.cause }

// InvalidError says what is wrong with something that a person has typed.
type InvalidError struct{ Field, Problem string }

func (e *InvalidError) Error() string { return "fido: the " + e.Field + " " + e.Problem }

// PolicyError says that the key policy refused a key, and why.
type PolicyError struct{ Decision keypolicy.Decision }

func (e *PolicyError) Error() string {
	return "fido: the key policy refuses this key: " + e.Decision.String()
}

// UnsupportedAlgorithmError says that signatures of an algorithm cannot be
// verified by this build, so that keys using it cannot be registered or used.
type UnsupportedAlgorithmError struct{ Algorithm Algorithm }

func (e *UnsupportedAlgorithmError) Error() string {
	s := "fido: this build cannot verify " + e.Algorithm.String() + " signatures"
	if e.Algorithm.needsGo127() {
		s += ", which needs a build with Go 1.27 or newer"
	}
	return s + "; use a key that supports ES256 or EdDSA"
}
