package review

import (
	"time"

	"github.com/lakekey/lakekey/fido/audit"
)

// Options are the optional settings of a [Review].
type Options struct {
	// Since is when the period under review begins; zero: with the log.
	Since time.Time

	// AsOf is when it ends, and the moment for which "who holds which key" is
	// answered. Records from then on are left out. Zero: all records count, and the
	// newest is the moment.
	AsOf time.Time

	// StaleAfter is how long a key may go unused before it is listed; 0 means 90
	// days.
	StaleAfter time.Duration

	// SlowAfter is how long a revocation may take before it is flagged; 0 means 24
	// hours.
	SlowAfter time.Duration
}

// Review gathers what the records say. It is for one goroutine. Its memory grows
// with the number of keys, people, decisions and kinds of failures, not with
// that of sign-ins.
type Review struct {
	options Options
	read    uint64    // records that count
	later   uint64    // records from AsOf on
	first   time.Time // of those that count
	last    time.Time

	keys        map[string]*key
	users       map[string]*person
	approvals   []decision
	revocations []*key
	changes     []note // of people
	policies    []policyChange
	recoveries  []note
	notes       []note // about keys
	itself      []note // what the log says about itself
	failures    map[failure]*tally
	unlisted    uint64 // failures of kinds beyond maxFailures
	guesses     uint64 // at recovery codes
	signIns     uint64
	nameless    uint64 // records about a key that do not say which
}

type person struct {
	name    string
	blocked bool
}

type decision struct {
	key *key
	mark
	verdict string
}

// note is an event for a list: about whom and which key, of what type.
type note struct {
	user, key, what string
	mark
}

type policyChange struct {
	mark
	old, new string
}

// failure is what failed sign-ins are counted by.
type failure struct{ user, reason, from, purpose string }

type tally struct {
	n           uint64
	first, last time.Time
	record      uint64 // the last
}

// maxFailures bounds the kinds of failures that are told apart: strangers decide
// how many there are.
const maxFailures = 10_000

// New returns a Review.
func New(o Options) *Review {
	if o.StaleAfter <= 0 {
		o.StaleAfter = 90 * 24 * time.Hour
	}
	if o.SlowAfter <= 0 {
		o.SlowAfter = 24 * time.Hour
	}
	return &Review{options: o, keys: map[string]*key{}, users: map[string]*person{}, failures: map[failure]*tally{}}
}

// Add takes the next record. It is a [audit.VerifyOptions] Each, and never fails.
func (v *Review) Add(r *audit.Record) error {
	if !v.options.AsOf.IsZero() && !r.Time.Before(v.options.AsOf) {
		v.later++
		return nil
	}
	if v.read++; v.read == 1 {
		v.first = r.Time
	}
	v.last = r.Time
	if r.Phase == audit.PhaseIntent { // what counts is how it ended
		return nil
	}
	switch r.Event.Type {
	case "ceremony.finished":
		v.signedIn(r)
	case "ceremony.failed", "policy.refused", "authorize":
		v.failed(r)
	case "user.created", "user.blocked", "user.unblocked", "user.group-changed":
		v.personEvent(r)
	case "recovery.failed": // as many as strangers like
		if v.guesses++; v.guesses > maxFailures {
			v.unlisted++
			return nil
		}
		v.recoveries = append(v.recoveries, note{r.Event.User, r.Event.CredentialHash, r.Event.Type, markOf(r)})
	case "recovery.issued", "recovery.withdrawn", "recovery.used":
		v.recoveries = append(v.recoveries, note{r.Event.User, r.Event.CredentialHash, r.Event.Type, markOf(r)})
	case "policy.changed":
		v.policies = append(v.policies, policyChange{markOf(r), r.Event.PolicyHashOld, r.Event.PolicyHash})
	case "audit.lost", "audit.recovered", "audit.offhost-failed", "audit.offhost-restored", "mds.stale", "mds.failed":
		v.itself = append(v.itself, note{"", "", r.Event.Type, markOf(r)})
	case "credential.registered", "credential.pending", "credential.approved", "credential.denied",
		"credential.revocation-requested", "credential.reported-lost", "credential.revoked",
		"credential.quarantined", "credential.released", "clone.suspected", "credential.counter", "credential.renamed":
		v.keyEvent(r)
	}
	return nil
}

// inPeriod reports whether what happened at t belongs to the period under review.
func (v *Review) inPeriod(t time.Time) bool { return !t.Before(v.options.Since) }

// moment is when "who holds which key" is asked.
func (v *Review) moment() time.Time {
	if v.options.AsOf.IsZero() {
		return v.last
	}
	return v.options.AsOf
}

func (v *Review) signedIn(r *audit.Record) {
	if r.Event.Purpose == "registration" || r.Event.Outcome != audit.OK {
		return
	}
	if v.inPeriod(r.Time) {
		v.signIns++
	}
	if k := v.key(r); k != nil {
		k.used = markOf(r)
	}
}

func (v *Review) failed(r *audit.Record) {
	if !v.inPeriod(r.Time) {
		return
	}
	e := &r.Event
	f := failure{e.User, e.Reason, e.RemoteAddr, e.Purpose}
	t := v.failures[f]
	if t == nil {
		if len(v.failures) == maxFailures {
			v.unlisted++
			return
		}
		t = &tally{first: r.Time}
		v.failures[f] = t
	}
	t.n++
	t.last, t.record = r.Time, r.Number
}

func (v *Review) personEvent(r *audit.Record) {
	if r.Event.Outcome != audit.OK {
		return
	}
	p := v.users[r.Event.User]
	if p == nil {
		p = &person{name: r.Event.User}
		v.users[p.name] = p
	}
	switch r.Event.Type {
	case "user.blocked":
		p.blocked = true
	case "user.unblocked", "user.created":
		p.blocked = false
	}
	what := r.Event.Type
	if r.Event.Group != "" {
		what += " (" + r.Event.Group + ")"
	}
	v.changes = append(v.changes, note{r.Event.User, "", what, markOf(r)})
}
