package keypolicy

// Rule says what is asked of the keys of some people.
type Rule struct {
	Name string // how decisions and records call it

	// Groups and Users say whose keys the rule is for: a member of any of the
	// groups, or one of the users (letter case does not matter). Without either it
	// is for everybody.
	Groups []string
	Users  []string

	Profile  Profile
	Approval Approval // whether a new key waits until somebody has approved it
	MaxKeys  int      // how many keys a person may have, at most 1,000; 0: what the relying party allows
}

// everybody reports whether r is for everybody.
func (r *Rule) everybody() bool { return len(r.Groups) == 0 && len(r.Users) == 0 }

// Approval says whether a new key waits until somebody has approved it.
type Approval string

// The approvals.
const (
	ApprovalNone         Approval = "none"          // never; the empty Approval means this
	ApprovalAlways       Approval = "always"        // whatever the key is
	ApprovalUnlessRooted Approval = "unless-rooted" // only if its attestation proves nothing
)

var approvals = []string{string(ApprovalNone), string(ApprovalAlways), string(ApprovalUnlessRooted)}

// Models are groups of key models by name.
type Models map[string][]AAGUID

// Subject is the person whose key is judged.
type Subject struct {
	User   string
	Groups []string
}
