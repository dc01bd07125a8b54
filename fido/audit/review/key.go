package review

import (
	"time"

	"github.com/lakekey/lakekey/fido/audit"
)

// mark is an act on a key or person: when, by whom, why, and which record says so.
type mark struct {
	at     time.Time
	by     string
	why    string
	record uint64
}

func (m mark) ok() bool { return m.record != 0 }

func markOf(r *audit.Record) mark {
	m := mark{at: r.Time, by: r.Event.Actor, why: r.Event.Rationale, record: r.Number}
	if m.by == "" {
		m.by = r.Event.User
	}
	if m.why == "" {
		m.why = r.Event.Reason
	}
	return m
}

// States of a key, in the words of the report.
const (
	stateActive      = "active"
	statePending     = "waits for approval"
	stateQuarantined = "quarantined"
	stateRevoked     = "revoked"
	stateDenied      = "denied"
)

// key is what the log says about one key.
type key struct {
	hash   string
	user   string
	name   string
	state  string
	event  audit.Event // of the registration, or of the first use
	first  mark        // the registration; not ok: this log holds none
	seen   mark        // the first record of any kind
	used   mark        // the last accepted sign-in
	asked  mark        // the first report or request that led to a revocation
	lost   bool        // it was a report of loss
	ended  mark        // revocation or denial
	passed mark        // approval

	unapproved bool // it was quarantined while it waited for one
}

// key returns the key that r is about, nil if it names none.
func (v *Review) key(r *audit.Record) *key {
	e := &r.Event
	if e.CredentialHash == "" {
		return nil
	}
	k := v.keys[e.CredentialHash]
	if k == nil {
		k = &key{hash: e.CredentialHash, user: e.User, state: stateActive, event: *e, seen: markOf(r)}
		v.keys[k.hash] = k
	}
	if k.user == "" {
		k.user = e.User
	}
	if e.CredentialName != "" {
		k.name = e.CredentialName
	}
	return k
}

// held reports whether somebody has the key and it has not been ended for good.
func (k *key) held() bool { return k.state != stateRevoked && k.state != stateDenied }

// lastSign returns when the key was last heard of in use: its registration is a
// proof of possession, too.
func (k *key) lastSign() time.Time {
	switch {
	case k.used.ok():
		return k.used.at
	case k.first.ok():
		return k.first.at
	default:
		return k.seen.at
	}
}

func (v *Review) keyEvent(r *audit.Record) {
	if r.Event.Outcome != audit.OK { // a key that was refused is nobody's
		return
	}
	k := v.key(r)
	if k == nil {
		v.nameless++
		return
	}
	m := markOf(r)
	switch r.Event.Type {
	case "credential.registered":
		k.first, k.event, k.user = m, r.Event, r.Event.User
		if k.state != statePending {
			k.state = stateActive
		}
	case "credential.pending":
		k.state = statePending
	case "credential.approved":
		k.unapproved = false
		k.state, k.passed = stateActive, m
		v.approvals = append(v.approvals, decision{k, m, "approved"})
	case "credential.denied":
		k.state, k.ended = stateDenied, m
		v.approvals = append(v.approvals, decision{k, m, "denied"})
	case "credential.revocation-requested":
		v.ask(k, m)
	case "credential.reported-lost": // the report takes the key out of use
		v.ask(k, m)
		k.lost = true
		if k.state != stateRevoked {
			k.state, k.ended = stateRevoked, m
		}
	case "credential.revoked":
		if k.state == stateRevoked {
			return
		}
		k.state, k.ended = stateRevoked, m
		if !k.asked.ok() {
			v.revocations = append(v.revocations, k)
		}
	case "credential.quarantined":
		if k.state == statePending {
			k.unapproved = true
		}
		if k.held() { // the record of a quarantine may come after that of a revocation beside it
			k.state = stateQuarantined
		}
		v.notes = append(v.notes, note{k.user, k.hash, r.Event.Type, m})
	case "credential.released":
		switch {
		case !k.held():
		case k.unapproved: // quarantine is no way around an approval
			k.state = statePending
		default:
			k.state = stateActive
		}
		v.notes = append(v.notes, note{k.user, k.hash, r.Event.Type, m})
	case "clone.suspected", "credential.counter":
		v.notes = append(v.notes, note{k.user, k.hash, r.Event.Type, m})
	}
}

// ask notes the first report or request that a key be taken out of use.
func (v *Review) ask(k *key, m mark) {
	if k.asked.ok() || k.state == stateRevoked {
		return
	}
	k.asked = m
	v.revocations = append(v.revocations, k)
}
