package fido

import (
	"bytes"
	"encoding/hex"
	"slices"
	"time"
)

// Credential is one registered key of one person.
type Credential struct {
	ID         []byte
	UserHandle []byte // the owner, for ever
	PublicKey  []byte // a COSE_Key
	Algorithm  Algorithm
	SignCount  uint32

	// Attestation is what is known about the key's make. AAGUID names the model
	// and is the key's own claim unless Attestation is [AttestationRooted];
	// Hardware is set only then.
	Attestation Verdict
	AAGUID      AAGUID
	Hardware    bool

	Format     string   // the attestation statement format, such as "packed"
	Evidence   string   // in words, what the verdict rests on or what it lacks
	Transports []string // what the client said about how to reach the key

	UserVerified   bool // at registration
	BackupEligible bool // never changes
	BackupState    bool // as of the latest sign-in

	Created    time.Time
	LastUsed   time.Time // zero: never
	Quarantine string    // why the credential is refused; empty: it is not

	// AttestationObject and ClientDataJSON are what was registered, kept so that
	// the verdict can be formed again when more is known about key models.
	AttestationObject []byte
	ClientDataJSON    []byte

	// Revision counts the updates of the stored record, see [Store].
	Revision uint64

	key publicKey // PublicKey, parsed; filled when it is first needed
}

// Clone returns a copy that shares no memory with c that can be changed.
func (c Credential) Clone() Credential {
	c.ID, c.UserHandle, c.PublicKey = bytes.Clone(c.ID), bytes.Clone(c.UserHandle), bytes.Clone(c.PublicKey)
	c.AttestationObject, c.ClientDataJSON = bytes.Clone(c.AttestationObject), bytes.Clone(c.ClientDataJSON)
	c.Transports = slices.Clone(c.Transports)
	return c
}

// AAGUID names a key model.
type AAGUID [16]byte

// String returns the AAGUID as a UUID is written.
func (a AAGUID) String() string {
	var b [36]byte
	hex.Encode(b[:8], a[:4])
	hex.Encode(b[9:13], a[4:6])
	hex.Encode(b[14:18], a[6:8])
	hex.Encode(b[19:23], a[8:10])
	hex.Encode(b[24:], a[10:])
	b[8], b[13], b[18], b[23] = '-', '-', '-', '-'
	return string(b[:])
}

// Verdict says how far the word of a key about itself can be relied on.
type Verdict uint8

// The verdicts. Only a rooted one supports a rule about key models.
const (
	AttestationNone   Verdict = iota // nothing is known: no attestation, or one that chains to no configured root
	AttestationSelf                  // signed with the credential's own key: proves possession, says nothing about the model
	AttestationRooted                // chains to a certificate in Config.Roots
)

// String returns "none", "self" or "rooted".
func (v Verdict) String() string {
	switch v {
	case AttestationSelf:
		return "self"
	case AttestationRooted:
		return "rooted"
	default:
		return "none"
	}
}
