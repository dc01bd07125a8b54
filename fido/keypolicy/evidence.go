package keypolicy

import (
	"slices"
	"time"
)

// Evidence is the verdict on a key and what it rests on. Everything below Format
// that speaks of the model is empty unless the verdict is [Rooted]; AAGUID may
// then still be a claim, kept because it was made.
//
// It makes the round trip through JSON, as stores keep it.
type Evidence struct {
	Verdict  Verdict `json:"verdict"`
	RootedBy string  `json:"rooted_by,omitempty"` // whose root: "mds" or "pinned"; empty: nobody's
	Root     string  `json:"root,omitempty"`      // the SHA-256 of that root, in hex

	// AAGUID is the model that the key names; for fido-u2f, whose authenticator
	// data names none, the one that its certificate does.
	AAGUID AAGUID `json:"aaguid"`
	// KeyIdentifier is what the metadata knows a model by that has no AAGUID, in hex.
	KeyIdentifier string `json:"key_identifier,omitempty"`
	Format        string `json:"format,omitempty"` // the attestation statement format, such as "packed"

	Model         string   `json:"model,omitempty"`         // what the metadata calls it
	Attachment    string   `json:"attachment,omitempty"`    // "platform" or "cross-platform" as the metadata has it, never as a client says
	Hardware      bool     `json:"hardware,omitempty"`      // its keys cannot be copied out of the authenticator
	FIPS          bool     `json:"fips,omitempty"`          // validated to FIPS 140
	FIPSBy        string   `json:"fips_by,omitempty"`       // who says so: "certificate" or "metadata"
	Certification Level    `json:"certification,omitempty"` // by the FIDO Alliance
	Status        []string `json:"status,omitempty"`        // the status reports in effect, such as "REVOKED"

	Metadata      int  `json:"metadata,omitempty"`       // the number of the metadata BLOB that was consulted; 0: none
	MetadataStale bool `json:"metadata_stale,omitempty"` // a newer one was due

	// BackupEligible and UserVerified are signed by the key. A software key signs
	// what it likes: they too are worth what the verdict is.
	BackupEligible bool `json:"backup_eligible,omitempty"`
	UserVerified   bool `json:"user_verified,omitempty"`

	Note string    `json:"note,omitempty"` // in words, what the verdict rests on or what it lacks
	At   time.Time `json:"at,omitzero"`    // when this was gathered
}

// Clone returns a copy that shares no memory with e that can be changed.
func (e Evidence) Clone() Evidence {
	e.Status = slices.Clone(e.Status)
	return e
}
