package keypolicy

import (
	"slices"
	"strings"
)

// Decide judges the key that the evidence describes, as a key of s. It is the
// same at registration, at sign-in (where the flags in e are those of the
// assertion) and when keys are looked at again.
func (p *Policy) Decide(s Subject, e Evidence) Decision {
	p = p.orDefault()
	i := p.ruleFor(s)
	if i < 0 {
		return Decision{Reasons: []Reason{{Field: "groups", Want: "a rule for this person", Found: "none", Because: "no rule is for them: add one, or one for everybody as the last"}}}
	}
	r := &p.rules[i]
	j := judge{rule: r, sets: &p.sets[i], e: &e}
	j.judge()
	d := Decision{Allowed: len(j.reasons) == 0, Rule: r.Name, Reasons: j.reasons}
	if !d.Allowed || r.Approval == ApprovalNone || r.Approval == ApprovalUnlessRooted && j.proven() {
		return d
	}
	d.NeedsApproval = true
	j.want("approval", string(r.Approval), "a new key", "somebody else has to approve it")
	d.Reasons = j.reasons
	return d
}

// judge holds one key against one rule.
type judge struct {
	rule    *Rule
	sets    *sets
	e       *Evidence
	reasons []Reason
}

func (j *judge) want(field, want, found, because string) {
	j.reasons = append(j.reasons, Reason{Rule: j.rule.Name, Field: field, Want: want, Found: found, Because: because})
}

// proven reports whether what the evidence says of the model may be believed
// now. A verdict that rests on metadata is only as good as the metadata.
func (j *judge) proven() bool {
	if j.e.Verdict != Rooted {
		return false
	}
	switch j.e.RootedBy {
	case "pinned":
		return true
	case "mds":
		return j.current()
	default:
		return false
	}
}

// current reports whether what only the metadata says may be believed now.
func (j *judge) current() bool {
	return j.e.Metadata > 0 && (!j.e.MetadataStale || j.rule.Profile.InsecureStaleMetadata)
}

// unproven says why a rule about models is false.
func (j *judge) unproven() string {
	switch {
	case j.e.Verdict == Rooted && j.e.MetadataStale:
		return "the metadata that vouches for it is stale: let the metadata service be reached, or give a newer file"
	case j.e.Verdict == Rooted && j.e.RootedBy == "mds":
		return "no metadata is there that vouches for it now"
	case j.e.Note != "":
		return j.e.Note
	default:
		return "nothing that we hold vouches for what it says"
	}
}

func (j *judge) judge() {
	f := &j.rule.Profile
	if !f.InsecureNoUserVerification && !j.e.UserVerified {
		j.want("user_verification", "a key that verified its holder", "none", "set a PIN on it, or use one with a fingerprint reader")
	}
	j.model(f)
	j.lists(f)
	// A report is believed even when it is old: bad news does not go stale.
	if j.e.Verdict != Rooted {
		return
	}
	for _, s := range j.e.Status {
		if slices.Contains(f.InsecureTolerateStatus, s) || !slices.Contains(undesired, s) && !slices.Contains(f.UndesiredStatus, s) {
			continue
		}
		j.want("undesired_status", "no report of it", s, "the metadata says so of this model: replace the key")
	}
}

// model judges what is asked of the model's properties.
func (j *judge) model(f *Profile) {
	e, proven := j.e, j.proven()
	if f.Attested && !proven {
		j.want("attested", "an attestation that chains to a root we hold", e.Verdict.String(), j.unproven())
	}
	switch {
	case !f.DeviceBound:
	case e.BackupEligible:
		j.want("device_bound", "a key that stays on one device", "one that can be synced", "the key says so itself")
	case !proven:
		j.want("device_bound", "a key that stays on one device", "a claim", j.unproven())
	}
	switch {
	case !f.Hardware:
	case !proven:
		j.want("hardware", "a key kept in hardware", "a claim", j.unproven())
	// A pinned root says itself whether its keys are in hardware; otherwise it is
	// the metadata that says so.
	case !e.Hardware:
		j.want("hardware", "a key kept in hardware", "none", "neither its root nor the metadata says that its keys cannot be copied")
	}
	j.fips(f, proven)
	switch {
	case f.Certification == Uncertified:
	case !proven || !j.current():
		j.want("certification", f.Certification.String()+" or more", "unknown", j.unproven())
	case e.Certification < f.Certification:
		j.want("certification", f.Certification.String()+" or more", e.Certification.String(), "of "+j.name()+", says the metadata")
	}
	switch {
	case f.Attachment == "":
	case !proven || !j.current():
		j.want("attachment", f.Attachment, "unknown", j.unproven())
	case e.Attachment != f.Attachment:
		j.want("attachment", f.Attachment, or(e.Attachment, "unknown"), "of "+j.name()+", says the metadata; what the client says is not asked")
	}
}

func (j *judge) fips(f *Profile, proven bool) {
	const want = "a key validated to FIPS 140"
	switch {
	case !f.FIPS:
	case !proven:
		j.want("fips", want, "a claim", j.unproven())
	case j.sets.fips[j.e.AAGUID]:
	case !j.e.FIPS:
		j.want("fips", want, "none", "neither the certificate nor the metadata of "+j.name()+" says so, and fips_models does not list it")
	case j.e.FIPSBy == "certificate":
	case !j.current():
		j.want("fips", want, "unknown", "the metadata that says so is stale")
	}
}

// lists judges the model itself.
func (j *judge) lists(f *Profile) {
	proven := j.proven()
	switch {
	case j.sets.allow == nil:
	case !proven:
		j.want("allow_models", strings.Join(f.AllowModels, ", "), "a claim", j.unproven())
	case !j.sets.allow[j.e.AAGUID]:
		j.want("allow_models", strings.Join(f.AllowModels, ", "), j.name(), "its AAGUID is in none of these groups")
	}
	switch {
	case j.sets.deny == nil:
	case !proven && !f.InsecureDenyClaims:
		j.want("deny_models", "a model that is known not to be in "+strings.Join(f.DenyModels, ", "), "a claim", j.unproven())
	case j.sets.deny[j.e.AAGUID]:
		j.want("deny_models", "none of "+strings.Join(f.DenyModels, ", "), j.name(), "its AAGUID is in one of these groups")
	// A key whose model nobody knows may be any model, the denied ones included.
	case j.e.AAGUID.IsZero() && !f.InsecureDenyClaims:
		j.want("deny_models", "a model that is known not to be in "+strings.Join(f.DenyModels, ", "), "an unknown model", "its attestation names none")
	}
}

// name returns what to call the model.
func (j *judge) name() string {
	if j.e.Model != "" {
		return j.e.Model + " (" + j.e.AAGUID.String() + ")"
	}
	return j.e.AAGUID.String()
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}
