package keypolicy

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Policy decides which keys are accepted. It does not change once it is made. A
// nil Policy accepts any passkey that verified its holder.
type Policy struct {
	models Models
	rules  []Rule
	sets   []sets // of each rule
	hash   string
}

// sets are the model groups that a rule names, resolved.
type sets struct{ allow, deny, fips map[AAGUID]bool }

// New returns the policy of the rules. The first rule that is for a person
// decides about their keys; a person for whom there is no rule may have none.
// models are the groups that the rules' profiles name.
func New(models Models, rules ...Rule) (*Policy, error) {
	p := &Policy{models: Models{}}
	if len(rules) == 0 {
		return nil, errors.New("keypolicy: a policy without rules would refuse every key")
	}
	if len(rules) > maxRules {
		return nil, errors.New("keypolicy: rules: " + tooManyRules)
	}
	for _, name := range slices.Sorted(maps.Keys(models)) {
		if problem := checkModels(name, models[name]); problem != "" {
			return nil, fmt.Errorf("keypolicy: models.%s: %s", name, problem)
		}
		p.models[name] = slices.Compact(slices.SortedFunc(slices.Values(models[name]), compareAAGUID))
	}
	for i, r := range rules {
		r = r.clone()
		if field, problem := p.checkRule(&r); problem != "" {
			return nil, fmt.Errorf("keypolicy: rules[%d].%s: %s", i, field, problem)
		}
		p.rules = append(p.rules, r)
		p.sets = append(p.sets, sets{p.resolve(r.Profile.AllowModels), p.resolve(r.Profile.DenyModels), p.resolve(r.Profile.FIPSModels)})
	}
	canonical := sha256.Sum256(append([]byte("lakekey key policy\n"+strings.Join(undesired, " ")+"\n"), p.Format()...))
	p.hash = hex.EncodeToString(canonical[:])
	return p, nil
}

// anyPasskey is what a nil Policy stands for.
var anyPasskey = &Policy{
	models: Models{}, rules: []Rule{{Name: "any passkey", Approval: ApprovalNone}}, sets: make([]sets, 1),
	hash: "none",
}

func (p *Policy) orDefault() *Policy {
	if p == nil {
		return anyPasskey
	}
	return p
}

// Hash names the policy: records of what it decided carry it. Two files that ask
// the same in another order or with other comments have one hash; that of a nil
// Policy is "none".
func (p *Policy) Hash() string { return p.orDefault().hash }

// Limit returns how many keys the person may have; 0: the policy has no opinion.
func (p *Policy) Limit(s Subject) int {
	p = p.orDefault()
	if i := p.ruleFor(s); i >= 0 {
		return p.rules[i].MaxKeys
	}
	return 0
}

// ruleFor returns the index of the rule that decides about s, or -1.
func (p *Policy) ruleFor(s Subject) int {
	for i := range p.rules {
		r := &p.rules[i]
		if r.everybody() {
			return i
		}
		for _, g := range s.Groups {
			if slices.Contains(r.Groups, g) {
				return i
			}
		}
		for _, u := range r.Users {
			if strings.EqualFold(u, s.User) {
				return i
			}
		}
	}
	return -1
}

func (p *Policy) resolve(groups []string) map[AAGUID]bool {
	if len(groups) == 0 {
		return nil
	}
	set := map[AAGUID]bool{}
	for _, g := range groups {
		for _, a := range p.models[g] {
			set[a] = true
		}
	}
	return set
}

func compareAAGUID(a, b AAGUID) int { return bytes.Compare(a[:], b[:]) }

func checkModels(name string, models []AAGUID) (problem string) {
	switch {
	case !printable(name):
		return notPrintable
	case len(models) == 0:
		return "is empty: list the AAGUIDs of its models"
	case slices.Contains(models, AAGUID{}):
		return "the AAGUID of zeros names no model: keys that attest nothing carry it"
	}
	return ""
}

// checkRule brings r to its canonical form and says what is wrong with it. The
// field is spelled as in a file.
func (p *Policy) checkRule(r *Rule) (field, problem string) {
	if !printable(r.Name) {
		return "name", notPrintable
	}
	for _, earlier := range p.rules {
		if earlier.Name == r.Name {
			return "name", fmt.Sprintf("there is a rule %q already", r.Name)
		}
		if earlier.everybody() {
			return "name", fmt.Sprintf("nobody gets to rule %q: rule %q above it is for everybody", r.Name, earlier.Name)
		}
	}
	f := &r.Profile
	for _, l := range []struct {
		field  string
		list   *[]string
		models bool
		known  []string
	}{
		{"groups", &r.Groups, false, nil},
		{"users", &r.Users, false, nil},
		{"fips_models", &f.FIPSModels, true, nil},
		{"allow_models", &f.AllowModels, true, nil},
		{"deny_models", &f.DenyModels, true, nil},
		{"undesired_status", &f.UndesiredStatus, false, statuses},
		{"insecure_tolerate_status", &f.InsecureTolerateStatus, false, statuses},
	} {
		for _, s := range *l.list {
			switch {
			case !printable(s):
				return l.field, notPrintable
			case l.models && p.models[s] == nil:
				return l.field, fmt.Sprintf("there is no group %q under models", s) + allowed(slices.Sorted(maps.Keys(p.models)))
			case l.known != nil && !slices.Contains(l.known, s):
				return l.field, fmt.Sprintf("%q is no status", s) + allowed(l.known)
			}
		}
		if len(*l.list) == 0 {
			*l.list = nil
			continue
		}
		slices.Sort(*l.list)
		*l.list = slices.Compact(*l.list)
	}
	for _, s := range f.InsecureTolerateStatus {
		if slices.Contains(f.UndesiredStatus, s) {
			return "insecure_tolerate_status", s + " is undesired as well: decide"
		}
	}
	if f.Certification > L3Plus {
		return "certification", f.Certification.String() + " is no level" + allowed(levels[:])
	}
	if len(f.FIPSModels) > 0 && !f.FIPS {
		return "fips_models", "says which models are validated, and fips does not ask for it: add fips: true"
	}
	if f.InsecureDenyClaims && len(f.DenyModels) == 0 {
		return "insecure_deny_claims", "there is no deny_models for it to weaken"
	}
	if !slices.Contains(attachments, f.Attachment) && f.Attachment != "" {
		return "attachment", fmt.Sprintf("%q is no attachment", f.Attachment) + allowed(attachments)
	}
	if r.Approval == "" {
		r.Approval = ApprovalNone
	}
	if !slices.Contains(approvals, string(r.Approval)) {
		return "approval", fmt.Sprintf("%q is no approval", string(r.Approval)) + allowed(approvals)
	}
	if r.MaxKeys < 0 || r.MaxKeys > maxKeys {
		return "max_keys", fmt.Sprintf("%d is out of range: 1 to %d, or left out", r.MaxKeys, maxKeys)
	}
	return "", ""
}

// maxKeys is far more than anybody carries; whoever means "any number" leaves
// the field out.
const maxKeys = 1000

// maxRules is far more than anybody oversees.
const maxRules = 1000

const tooManyRules = "there are more than 1000: put people into groups"

var attachments = []string{"platform", "cross-platform"}

func allowed(list []string) string {
	if len(list) == 0 {
		return "; none is defined"
	}
	return "; allowed: " + strings.Join(list, ", ")
}

const notPrintable = "a name has 1 to 200 printable characters and no space at its ends"

// printable reports whether s can stand in a record and in a file, and looks
// like what it is.
func printable(s string) bool {
	return s != "" && len(s) <= 200 && utf8.ValidString(s) && strings.TrimSpace(s) == s &&
		!strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) })
}

func (r Rule) clone() Rule {
	r.Groups, r.Users = slices.Clone(r.Groups), slices.Clone(r.Users)
	f := &r.Profile
	f.FIPSModels, f.AllowModels, f.DenyModels = slices.Clone(f.FIPSModels), slices.Clone(f.AllowModels), slices.Clone(f.DenyModels)
	f.UndesiredStatus, f.InsecureTolerateStatus = slices.Clone(f.UndesiredStatus), slices.Clone(f.InsecureTolerateStatus)
	return r
}
