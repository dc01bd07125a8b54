package keypolicy

import "fmt"

// Verdict says how far the word of a key about itself can be relied on.
type Verdict uint8

// The verdicts. Only Rooted supports a rule about key models.
const (
	None   Verdict = iota // nothing is known: no attestation, or one that chains to no root we hold
	Self                  // signed with the credential's own key: proves possession, says nothing about the model
	Rooted                // chains to a root of the metadata or to a pinned one
)

// String returns "none", "self" or "rooted".
func (v Verdict) String() string {
	switch v {
	case Self:
		return "self"
	case Rooted:
		return "rooted"
	default:
		return "none"
	}
}

// MarshalText returns what String does.
func (v Verdict) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// UnmarshalText reads what MarshalText writes.
func (v *Verdict) UnmarshalText(text []byte) error {
	for _, known := range []Verdict{None, Self, Rooted} {
		if known.String() == string(text) {
			*v = known
			return nil
		}
	}
	return fmt.Errorf("keypolicy: %.20q is no verdict: none, self and rooted are", text)
}
