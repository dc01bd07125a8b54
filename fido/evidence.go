package fido

import (
	"bytes"
	"crypto/x509"
	"encoding/hex"
	"slices"
	"time"

	"github.com/lakekey/lakekey/fido/keypolicy"
	"github.com/lakekey/lakekey/fido/mds"
)

// Who holds the root that a verdict rests on.
const (
	byMetadata = "mds"
	byPinned   = "pinned"
)

// evidence judges the statements of a key that was registered at a time when its
// certificates had to be valid.
func (t *trust) evidence(format string, all []statement, at time.Time) keypolicy.Evidence {
	var best keypolicy.Evidence
	for i := range all {
		e := t.judge(&all[i], at)
		if len(all) > 1 {
			e.Note = formatCompound + " of " + e.Note
		}
		// All statements of a compound are about the same credential and were
		// verified. One that is rooted is enough; otherwise the worst counts.
		if i == 0 || e.Verdict == keypolicy.Rooted && best.Verdict != keypolicy.Rooted || best.Verdict != keypolicy.Rooted && e.Verdict < best.Verdict {
			best = e
		}
	}
	best.Format, best.At, best.MetadataStale = format, t.now, t.lacks != ""
	if t.blob != nil {
		best.Metadata = t.blob.Number
	}
	if best.MetadataStale && best.Verdict != keypolicy.Rooted {
		best.Note += "; the metadata could not be asked: " + t.lacks
	}
	return best
}

// judge forms the verdict on one statement.
func (t *trust) judge(s *statement, at time.Time) keypolicy.Evidence {
	e := keypolicy.Evidence{AAGUID: s.aaguid, Note: "no attestation"}
	switch {
	case s.self:
		e.Verdict, e.Note = keypolicy.Self, "packed, signed with the credential's own key"
		return e
	case s.format == formatNone:
		return e
	case len(s.chain) == 0:
		e.Note = s.format + ", with no certificate chain to check"
		return e
	}
	entry, id := t.entry(s)
	if entry != nil {
		if reached := s.chainsTo(entry.Roots, at); len(reached) > 0 {
			e.Verdict, e.RootedBy, e.KeyIdentifier = keypolicy.Rooted, byMetadata, hex.EncodeToString(id)
			rest(&e, reached[0], s)
			t.describe(&e, entry, s.chain)
			return e
		}
	}
	if t.rootedByPin(&e, s, at) {
		if entry != nil { // what is bad about the model is believed although its roots are others
			e.Status = statuses(entry, t.now, s.chain)
		}
		return e
	}
	e.Note = s.format + ", whose certificate chains to no root that we hold"
	if entry != nil {
		e.Note = s.format + ", whose certificate chains to no root of " + entry.Description + ", which it claims to be"
	}
	return e
}

// rootedByPin raises the verdict if the chain leads to a configured root, and reports
// whether it did.
func (t *trust) rootedByPin(e *keypolicy.Evidence, s *statement, at time.Time) bool {
	certificates := make([]*x509.Certificate, len(t.pinned))
	for i, r := range t.pinned {
		certificates[i] = r.Certificate
	}
	found := false
	for _, c := range s.chainsTo(certificates, at) {
		for i := range t.pinned {
			r := &t.pinned[i]
			if r.Certificate != c || len(r.Models) > 0 && !slices.Contains(r.Models, s.aaguid) || found && e.Hardware {
				continue
			}
			found = true
			e.Verdict, e.RootedBy, e.Hardware = keypolicy.Rooted, byPinned, r.Hardware && s.format != formatSafetyNet
			e.AAGUID = s.aaguid
			rest(e, c, s)
			if len(r.Models) == 0 && !s.signsModel() {
				e.AAGUID = keypolicy.AAGUID{}
				e.Note += "; which model it is, no authenticator says in this format"
			}
		}
	}
	return found
}

// rest writes down what a rooted verdict rests on.
func rest(e *keypolicy.Evidence, root *x509.Certificate, s *statement) {
	e.Root, e.Note = fingerprint(root), s.format+", whose certificate chains to "+root.Subject.String()
	if _, ok := extension(s.chain[0], oidYubicoFIPS); ok {
		e.FIPS, e.FIPSBy = true, fipsByCertificate
	}
}

const (
	fipsByCertificate = "certificate"
	fipsByMetadata    = "metadata"
)

// describe fills in what the metadata says of the model. Chain limits reports
// about single batches to the keys that they are about; nil does not.
func (t *trust) describe(e *keypolicy.Evidence, entry *mds.Entry, chain []*x509.Certificate) {
	e.Model, e.Metadata, e.MetadataStale = entry.Description, t.blob.Number, false
	e.Hardware = slices.Contains(entry.KeyProtection, "hardware") && !slices.Contains(entry.KeyProtection, "software")
	e.Certification = keypolicy.Level(entry.LevelAt(t.now))
	e.Attachment = attachment(entry.AttachmentHint)
	e.Status = statuses(entry, t.now, chain)
	if e.FIPSBy != fipsByCertificate {
		e.FIPS, e.FIPSBy = false, ""
		if validated(entry) {
			e.FIPS, e.FIPSBy = true, fipsByMetadata
		}
	}
	// "implicit": keys of this model are copied, and their flags do not say so.
	e.BackupEligible = e.BackupEligible || entry.MultiDevice == "implicit"
}

// validated reports whether the model's list of certifications, which is the
// authenticator's own, has a validation under FIPS 140. Status reports could say
// so too, and in practice do not.
// https://fidoalliance.org/specs/fido-v2.2-ps-20250714/fido-client-to-authenticator-protocol-v2.2-ps-20250714.html#sctn-feature-descriptions-certifications
func validated(entry *mds.Entry) bool {
	return entry.Certifications["FIPS-CMVP-2"] > 0 || entry.Certifications["FIPS-CMVP-3"] > 0
}

// attachment says what the hints of the metadata mean for a client.
// https://fidoalliance.org/specs/common-specs/fido-registry-v2.2-ps-20220523.html#authenticator-attachment-hints
func attachment(hints []string) string {
	inside, outside := slices.Contains(hints, "internal"), slices.ContainsFunc(hints, func(h string) bool { return h != "internal" })
	switch {
	case inside && !outside:
		return "platform"
	case outside && !inside:
		return "cross-platform"
	default:
		return ""
	}
}

// statuses returns the reports that are in effect about a key with this chain,
// in order and each once. A later one does not take an earlier one back.
func statuses(entry *mds.Entry, now time.Time, chain []*x509.Certificate) []string {
	var all []string
	for i := range entry.Status {
		r := &entry.Status[i]
		if s := string(r.Status); r.InEffect(now) && about(r, chain) && !slices.Contains(all, s) {
			all = append(all, s)
		}
	}
	slices.Sort(all)
	return all
}

// about reports whether a report is about a key with this chain. Whatever is
// unclear counts, and REVOKED is always about the model.
// https://fidoalliance.org/specs/mds/fido-metadata-service-v3.1-ps-20250521.html#statusreport-dictionary
func about(r *mds.StatusReport, chain []*x509.Certificate) bool {
	if len(chain) == 0 || r.BatchCertificate == nil || r.Status == mds.Revoked {
		return true
	}
	return slices.ContainsFunc(chain, func(c *x509.Certificate) bool {
		return bytes.Equal(c.RawSubjectPublicKeyInfo, r.BatchCertificate.RawSubjectPublicKeyInfo) || bytes.Equal(c.RawIssuer, r.BatchCertificate.RawSubject)
	})
}

// current returns what is known now about a key that was registered before,
// with the flags of this assertion.
func (t *trust) current(c *Credential, backupEligible, userVerified bool) keypolicy.Evidence {
	e := c.Evidence
	e.BackupEligible, e.UserVerified = backupEligible, userVerified
	if e.Verdict != keypolicy.Rooted {
		e.MetadataStale = t.lacks != ""
		return e
	}
	if e.RootedBy == byPinned {
		return t.currentPinned(c, e)
	}
	if t.blob == nil {
		return t.withoutMetadata(e)
	}
	// Another replica had a newer blob when it looked at the key: what that one
	// said is not taken back by an older one.
	if t.blob.Number < e.Metadata {
		return e
	}
	entry := t.stored(&e)
	if entry == nil || !entry.HasRoot(e.Root) || batches(entry) {
		return t.again(c, e)
	}
	t.describe(&e, entry, nil)
	return e
}

// stored finds the model of stored evidence.
func (t *trust) stored(e *keypolicy.Evidence) *mds.Entry {
	if t.blob == nil {
		return nil
	}
	if e.KeyIdentifier != "" {
		id, _ := hex.DecodeString(e.KeyIdentifier)
		entry, _ := t.blob.EntryByKeyIdentifier(id)
		return entry
	}
	if e.AAGUID.IsZero() {
		return nil
	}
	entry, _ := t.blob.Entry(e.AAGUID)
	return entry
}

// batches reports whether a report is about some of the model's keys only.
func batches(entry *mds.Entry) bool {
	return slices.ContainsFunc(entry.Status, func(r mds.StatusReport) bool { return r.BatchCertificate != nil })
}

// withoutMetadata returns what is left of evidence that rests on metadata when
// there is none. The root may be one that is pinned as well.
func (t *trust) withoutMetadata(e keypolicy.Evidence) keypolicy.Evidence {
	e.MetadataStale = true
	for i := range t.pinned {
		r := &t.pinned[i]
		if r.fingerprint != e.Root || len(r.Models) > 0 && !slices.Contains(r.Models, e.AAGUID) {
			continue
		}
		if len(r.Models) == 0 && e.Format != formatPacked && e.Format != formatU2F {
			e.AAGUID = keypolicy.AAGUID{}
		}
		e.RootedBy, e.Hardware = byPinned, r.Hardware && e.Format != formatSafetyNet
		break
	}
	return e
}

func (t *trust) currentPinned(c *Credential, e keypolicy.Evidence) keypolicy.Evidence {
	e.MetadataStale = t.lacks != ""
	if !slices.ContainsFunc(t.pinned, func(r pinnedRoot) bool { return r.fingerprint == e.Root }) {
		return t.again(c, e) // it is not held any longer; perhaps another one is
	}
	entry := t.stored(&e)
	switch {
	case entry == nil || t.blob.Number < e.Metadata:
		return e
	case e.Metadata == 0 || batches(entry):
		return t.again(c, e)
	}
	e.Status, e.Metadata = statuses(entry, t.now, nil), t.blob.Number
	return e
}

// again forms the verdict anew from what was registered.
func (t *trust) again(c *Credential, e keypolicy.Evidence) keypolicy.Evidence {
	att, all, err := readAttestation(c.AttestationObject)
	if err == nil && att.Format == e.Format {
		fresh := t.evidence(att.Format, all, c.Created)
		fresh.BackupEligible, fresh.UserVerified = fresh.BackupEligible || e.BackupEligible, e.UserVerified
		return fresh
	}
	// The statement was not kept, because it named the very device: what is left
	// is the root that it chained to.
	entry := t.stored(&e)
	switch {
	case entry != nil && entry.HasRoot(e.Root):
		e.RootedBy = byMetadata
		t.describe(&e, entry, nil)
	case slices.ContainsFunc(t.pinned, func(r pinnedRoot) bool { return r.fingerprint == e.Root }):
		if entry != nil {
			e.Status = statuses(entry, t.now, nil)
		}
	default:
		e.Verdict, e.RootedBy = keypolicy.None, ""
		e.Note = e.Format + ", whose root is no longer held"
	}
	return e
}
