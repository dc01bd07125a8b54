package fido

import (
	"time"

	"github.com/lakekey/lakekey/fido/keypolicy"
)

// Proof is what one verified assertion proves.
type Proof struct {
	User         User
	CredentialID []byte
	Purpose      Purpose
	At           time.Time
	Origin       string
	Algorithm    Algorithm
	SignCount    uint32

	// Evidence is what is known about the key's make: see [Credential] for what
	// it is worth.
	Evidence   keypolicy.Evidence
	PolicyHash string // the key policy that let the key in; empty: none is configured
	Rule       string // the rule of it that decided

	UserPresent    bool
	UserVerified   bool
	BackupEligible bool
	BackupState    bool
}
