package fido

import "time"

// Proof is what one verified assertion proves.
type Proof struct {
	User         User
	CredentialID []byte
	Purpose      Purpose
	At           time.Time
	Origin       string
	Algorithm    Algorithm
	SignCount    uint32

	// See [Credential] for what these are worth: without a rooted attestation
	// AAGUID is the key's claim, and Hardware is false.
	Attestation Verdict
	AAGUID      AAGUID
	Hardware    bool

	UserPresent    bool
	UserVerified   bool
	BackupEligible bool
	BackupState    bool
}
