package mds

import (
	"bytes"
	"crypto/x509"
	"slices"
	"time"
)

// Status is what a report says of a key model. Values that are not listed here
// are kept as they are: later versions of the standard add some.
// https://fidoalliance.org/specs/mds/fido-metadata-service-v3.0-ps-20210518.html#authenticatorstatus-enum
type Status string

// The statuses of versions 3.0 and 3.1.
const (
	NotCertified              Status = "NOT_FIDO_CERTIFIED"
	SelfAsserted              Status = "SELF_ASSERTION_SUBMITTED"
	Certified                 Status = "FIDO_CERTIFIED"
	CertifiedL1               Status = "FIDO_CERTIFIED_L1"
	CertifiedL1Plus           Status = "FIDO_CERTIFIED_L1plus"
	CertifiedL2               Status = "FIDO_CERTIFIED_L2"
	CertifiedL2Plus           Status = "FIDO_CERTIFIED_L2plus"
	CertifiedL3               Status = "FIDO_CERTIFIED_L3"
	CertifiedL3Plus           Status = "FIDO_CERTIFIED_L3plus"
	FIPS140L1                 Status = "FIPS140_CERTIFIED_L1"
	FIPS140L2                 Status = "FIPS140_CERTIFIED_L2"
	FIPS140L3                 Status = "FIPS140_CERTIFIED_L3"
	FIPS140L4                 Status = "FIPS140_CERTIFIED_L4"
	UserVerificationBypass    Status = "USER_VERIFICATION_BYPASS"
	AttestationKeyCompromise  Status = "ATTESTATION_KEY_COMPROMISE"
	UserKeyRemoteCompromise   Status = "USER_KEY_REMOTE_COMPROMISE"
	UserKeyPhysicalCompromise Status = "USER_KEY_PHYSICAL_COMPROMISE"
	UpdateAvailable           Status = "UPDATE_AVAILABLE"
	Retired                   Status = "RETIRED"
	Revoked                   Status = "REVOKED"
)

// Compromising reports whether the status says that keys of the model, or what
// they claim to be, cannot be relied on.
func (s Status) Compromising() bool {
	switch s {
	case Revoked, UserVerificationBypass, AttestationKeyCompromise, UserKeyRemoteCompromise, UserKeyPhysicalCompromise:
		return true
	}
	return false
}

// Level is how far a model is certified by the FIDO Alliance. Levels can be
// compared: a higher one demands more.
type Level int

// From nothing to 3+. LevelFunctional is the old FIDO_CERTIFIED, which says that
// a model works as the standard wants and nothing about its resistance.
const (
	LevelNone Level = iota
	LevelFunctional
	Level1
	Level1Plus
	Level2
	Level2Plus
	Level3
	Level3Plus
)

var levelOf = map[Status]Level{
	Certified: LevelFunctional, CertifiedL1: Level1, CertifiedL1Plus: Level1Plus, CertifiedL2: Level2,
	CertifiedL2Plus: Level2Plus, CertifiedL3: Level3, CertifiedL3Plus: Level3Plus,
}

// String returns the level as people write it: "L1", "L1+".
func (l Level) String() string {
	names := [...]string{"none", "functional", "L1", "L1+", "L2", "L2+", "L3", "L3+"}
	if l < 0 || int(l) >= len(names) {
		return "unknown"
	}
	return names[l]
}

// StatusReport is one thing that became known about a key model.
// https://fidoalliance.org/specs/mds/fido-metadata-service-v3.0-ps-20210518.html#statusreport-dictionary
type StatusReport struct {
	Status Status

	// EffectiveDate is when the status began: "If no date is given, the status is
	// assumed to be effective while present." SunsetDate is when it ends; zero
	// means never.
	EffectiveDate, SunsetDate time.Time

	// AuthenticatorVersion is the firmware that the report is about, or 0.
	AuthenticatorVersion int

	// CertificateNumber and Descriptor name the certification; URL has more to
	// read, and is not to be followed by programs.
	CertificateNumber, Descriptor, URL string

	// BatchCertificate limits the report to keys that it, or an attestation
	// certificate under it, vouches for. Nil: it is about all keys of the model.
	BatchCertificate *x509.Certificate

	// batchUnreadable: a certificate stands in the report that cannot be read. To
	// be safe the report counts for all keys then.
	batchUnreadable bool
}

// InEffect reports whether the report counts at a time.
func (r *StatusReport) InEffect(at time.Time) bool {
	return !r.EffectiveDate.After(at) && (r.SunsetDate.IsZero() || r.SunsetDate.After(at))
}

// about reports whether the report is about a key with this attestation chain.
// The certificate of a report may be an attestation certificate, or the authority
// over it, which keys do not send along. Whatever is unclear counts.
func (r StatusReport) about(chain []*x509.Certificate) bool {
	if len(chain) == 0 || r.BatchCertificate == nil || r.batchUnreadable || r.Status == Revoked {
		return true
	}
	return slices.ContainsFunc(chain, func(c *x509.Certificate) bool {
		return bytes.Equal(c.RawSubjectPublicKeyInfo, r.BatchCertificate.RawSubjectPublicKeyInfo) ||
			bytes.Equal(c.RawIssuer, r.BatchCertificate.RawSubject)
	})
}

// StatusAt returns the reports that are in effect at a time, oldest first. The
// last one is what the standard calls the current status; in what order a blob
// lists them differs from entry to entry.
func (e *Entry) StatusAt(at time.Time) []StatusReport {
	var in []StatusReport
	for _, r := range e.Status {
		if r.InEffect(at) {
			in = append(in, r)
		}
	}
	slices.SortStableFunc(in, func(a, b StatusReport) int { return a.EffectiveDate.Compare(b.EffectiveDate) })
	return in
}

// CompromisedAt returns the report, if there is one, that says that a key with
// this attestation chain cannot be relied on: REVOKED ("the FIDO Alliance has
// determined that this authenticator should not be trusted for any reason") or
// one of the four compromises. A report about one batch counts only for keys of
// that batch; chain nil stands for any key of the model.
//
// A later report does not take an earlier one back. In particular
// UPDATE_AVAILABLE does not: it says that there is an update, not that this key
// has it.
// https://fidoalliance.org/specs/mds/fido-metadata-service-v3.0-ps-20210518.html#authenticatorstatus-enum
func (e *Entry) CompromisedAt(at time.Time, chain []*x509.Certificate) (StatusReport, bool) {
	var worst StatusReport
	for _, r := range e.StatusAt(at) {
		if r.Status.Compromising() && r.about(chain) && worst.Status != Revoked {
			worst = r
		}
	}
	return worst, worst.Status != ""
}

// RetiredAt reports whether the manufacturer has withdrawn the model: keys of it
// work as before, but "should not be accepted any longer".
// https://fidoalliance.org/specs/mds/fido-metadata-service-v3.1-ps-20250521.html#sctn-authnr-stat
func (e *Entry) RetiredAt(at time.Time) bool {
	return slices.ContainsFunc(e.StatusAt(at), func(r StatusReport) bool { return r.Status == Retired })
}

// LevelAt returns the highest certification that holds at a time. A report that
// a model is not certified, or is revoked, ends the certifications from before;
// of the same day, the certification counts.
func (e *Entry) LevelAt(at time.Time) Level {
	level, ended := LevelNone, time.Time{}
	for i := range e.Status {
		r := &e.Status[i]
		switch {
		case !r.InEffect(at):
		case r.Status == Revoked:
			return LevelNone
		case r.Status == NotCertified && r.EffectiveDate.After(ended):
			ended = r.EffectiveDate
		}
	}
	for i := range e.Status {
		if r := &e.Status[i]; r.InEffect(at) && !r.EffectiveDate.Before(ended) {
			level = max(level, levelOf[r.Status])
		}
	}
	return level
}

// FIPS140At returns the overall level, 1 to 4, at which the model is validated
// under FIPS 140-2 or 140-3, or 0. Statuses say it since version 3.1 of the
// standard; in practice the key's own list of certifications does.
// https://fidoalliance.org/specs/fido-v2.2-ps-20250714/fido-client-to-authenticator-protocol-v2.2-ps-20250714.html#sctn-feature-descriptions-certifications
func (e *Entry) FIPS140At(at time.Time) int {
	level := 0
	for _, name := range []string{"FIPS-CMVP-2", "FIPS-CMVP-3"} {
		if l := e.Certifications[name]; l >= 1 && l <= 4 {
			level = max(level, l)
		}
	}
	for _, r := range e.StatusAt(at) {
		if i := slices.Index([]Status{FIPS140L1, FIPS140L2, FIPS140L3, FIPS140L4}, r.Status); i >= 0 {
			level = max(level, i+1)
		}
	}
	return level
}
