package fido

import (
	"bytes"
	"slices"
	"time"

	"github.com/lakekey/lakekey/fido/keypolicy"
)

// Credential is one registered key of one person. It is never deleted: who held
// which key on a day long ago stays answerable.
type Credential struct {
	ID         []byte
	UserHandle []byte // the owner, for ever
	PublicKey  []byte // a COSE_Key
	Algorithm  Algorithm
	SignCount  uint32

	// Evidence is what is known about the key's make. AAGUID names the model and
	// is the key's own claim unless the verdict is [keypolicy.Rooted].
	Evidence keypolicy.Evidence

	Name         string   // as its owner calls it
	Transports   []string // what the client said about how to reach the key
	Discoverable bool     // the client said that the key can name its owner

	UserVerified   bool // at registration or since
	BackupEligible bool // never changes
	BackupState    bool // as of the latest sign-in

	State       State
	StateReason string    // why it is in that state, in words
	StateBy     string    // who brought it there; empty: the relying party itself
	StateSince  time.Time // zero: not known

	Created    time.Time
	Approved   time.Time // since when it may sign in; zero: never approved
	ApprovedBy string    // empty: nobody had to
	Rationale  string    // of the approval
	LastUsed   time.Time // zero: never
	Revoked    time.Time // zero: it is not

	// SerialHash is a keyed hash of the serial number that an enterprise
	// attestation named; nil: none is known.
	SerialHash []byte

	// AttestationObject and ClientDataJSON are what was registered, kept so that
	// the verdict can be formed again when more is known about key models.
	AttestationObject []byte
	ClientDataJSON    []byte

	// Revision counts the updates of the stored record, see [Store].
	Revision uint64

	key publicKey // PublicKey, parsed; filled when it is first needed
}

// State is where a credential stands between registration and revocation.
type State string

// The states. Only an active credential signs in, and a revoked one stays so.
const (
	StatePending     State = "pending" // waits for somebody to approve it
	StateActive      State = "active"
	StateQuarantined State = "quarantined" // refused until somebody has looked at it
	StateRevoked     State = "revoked"     // for ever
)

// Clone returns a copy that shares no memory with c that can be changed.
func (c Credential) Clone() Credential {
	c.ID, c.UserHandle, c.PublicKey = bytes.Clone(c.ID), bytes.Clone(c.UserHandle), bytes.Clone(c.PublicKey)
	c.AttestationObject, c.ClientDataJSON = bytes.Clone(c.AttestationObject), bytes.Clone(c.ClientDataJSON)
	c.SerialHash, c.Evidence = bytes.Clone(c.SerialHash), c.Evidence.Clone()
	c.Transports = slices.Clone(c.Transports)
	return c
}

// HeldAt reports whether the owner held the key at t: it was approved by then,
// and not revoked yet.
func (c Credential) HeldAt(t time.Time) bool {
	return !c.Approved.IsZero() && !c.Approved.After(t) && (c.Revoked.IsZero() || c.Revoked.After(t))
}
