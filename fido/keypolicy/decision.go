package keypolicy

import "strings"

// Decision is what a policy says to a key.
type Decision struct {
	Allowed       bool
	NeedsApproval bool     // allowed, once somebody has approved it; of no concern for a key that has been approved
	Rule          string   // the rule that decided; empty: none is for this person
	Reasons       []Reason // why it is not allowed, or needs approval
}

// Reason is one requirement that a key does not meet.
type Reason struct {
	Rule    string `json:"rule"`
	Field   string `json:"field"` // as a policy file spells it
	Want    string `json:"want"`
	Found   string `json:"found"`
	Because string `json:"because,omitempty"` // what the finding rests on, and what helps
}

// String returns the reason as a sentence.
func (r Reason) String() string {
	s := r.Field + ": wants " + r.Want + ", found " + r.Found
	if r.Because != "" {
		s += " (" + r.Because + ")"
	}
	return s
}

// String returns the decision and its reasons.
func (d Decision) String() string {
	verb := "refused"
	switch {
	case d.NeedsApproval:
		verb = "needs approval"
	case d.Allowed:
		verb = "allowed"
	}
	var b strings.Builder
	b.WriteString(verb)
	if d.Rule != "" {
		b.WriteString(` by rule "` + d.Rule + `"`)
	}
	for i, r := range d.Reasons {
		if i == 0 {
			b.WriteString(": ")
		} else {
			b.WriteString("; ")
		}
		b.WriteString(r.String())
	}
	return b.String()
}
