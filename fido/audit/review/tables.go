package review

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// sorted returns the keys by person and then by age.
func (v *Review) sorted() []*key {
	all := make([]*key, 0, len(v.keys))
	for _, k := range v.keys {
		all = append(all, k)
	}
	slices.SortFunc(all, func(a, b *key) int {
		return cmp.Or(strings.Compare(a.user, b.user), cmp.Compare(a.seen.record, b.seen.record))
	})
	return all
}

func (v *Review) holders() *Table {
	t := &Table{
		Name: "holders", Title: "Who held which key",
		About:   "Every key that was not revoked at that moment. A model is a claim of the key unless the attestation is rooted.",
		Columns: []string{"person", "key", "state", "registered", "last sign-in", "approved by", "rationale", "attestation", "model", "may be copied", "credential (SHA-256)", "record"},
	}
	for _, k := range v.sorted() {
		if !k.held() {
			continue
		}
		state := text(k.state)
		if p := v.users[k.user]; p != nil && p.blocked {
			state.Text += ", person blocked"
		}
		state.Flag = k.state != stateActive
		registered := at(k.first.at)
		if !k.first.ok() {
			registered = flagged("not in this log")
		}
		copies := ""
		if k.event.BackupEligible {
			copies = "yes"
		}
		t.add(needed(k.user), text(k.name), state, registered, at(k.used.at), text(k.passed.by), text(k.passed.why),
			text(k.event.Attestation), text(k.event.AAGUID), text(copies), text(k.hash), record(k.seen.record))
	}
	return t
}

func (v *Review) decisions() *Table {
	t := &Table{
		Name: "approvals", Title: "Approvals",
		About:   "Keys that somebody with authority approved or refused in the period. Flagged: no rationale, or decided by the key's owner.",
		Columns: []string{"decided", "person", "key", "decision", "by", "rationale", "credential (SHA-256)", "record"},
	}
	for _, d := range v.approvals {
		if !v.inPeriod(d.at) {
			continue
		}
		by := needed(d.by)
		by.Flag = by.Flag || strings.EqualFold(d.by, d.key.user)
		t.add(at(d.at), text(d.key.user), text(d.key.name), text(d.verdict), by, needed(d.why), text(d.key.hash), record(d.record))
	}
	return t
}

func (v *Review) ended() *Table {
	t := &Table{
		Name: "revocations", Title: "Revocations and how long they took",
		About:   "Keys that were reported, asked to be revoked, or revoked in the period. The latency runs from the first report or request in this log, and is unknown where there is none; flagged: more than " + hours(v.options.SlowAfter) + " hours, or not revoked yet.",
		Columns: []string{"person", "key", "asked for", "revoked", "latency (hours)", "asked by", "why", "revoked by", "rationale", "credential (SHA-256)", "record"},
	}
	for _, k := range v.revocations {
		if !v.inPeriod(k.asked.at) && !v.inPeriod(k.ended.at) {
			continue
		}
		asked, why := at(k.asked.at), k.asked.why
		if k.lost {
			why = strings.TrimSuffix("reported lost: "+why, ": ")
		}
		revoked, latency := at(k.ended.at), Cell{}
		switch {
		case !k.asked.ok():
			asked, latency = text("not in this log"), text("unknown")
		case !k.ended.ok():
			revoked = flagged("not yet")
			latency = flagged(hours(v.moment().Sub(k.asked.at)) + " so far")
		default:
			took := k.ended.at.Sub(k.asked.at)
			latency = Cell{hours(took), took > v.options.SlowAfter}
		}
		t.add(text(k.user), text(k.name), asked, revoked, latency, text(k.asked.by), text(why),
			text(k.ended.by), text(k.ended.why), text(k.hash), record(max(k.asked.record, k.ended.record)))
	}
	return t
}

func (v *Review) stale() *Table {
	days := int(v.options.StaleAfter / (24 * time.Hour))
	t := &Table{
		Name: "unused", Title: fmt.Sprintf("Keys unused for more than %d days", days),
		About:   "Keys that were not revoked at that moment and with which nobody has signed in here for so long. To register a key counts as a use.",
		Columns: []string{"person", "key", "state", "last use", "days", "credential (SHA-256)", "record"},
	}
	for _, k := range v.sorted() {
		idle := v.moment().Sub(k.lastSign())
		if k.held() && idle > v.options.StaleAfter {
			t.add(text(k.user), text(k.name), text(k.state), at(k.lastSign()), flagged(strconv.Itoa(int(idle/(24*time.Hour)))),
				text(k.hash), record(max(k.used.record, k.first.record, k.seen.record)))
		}
	}
	return t
}

func (v *Review) refusals() *Table {
	t := &Table{
		Name: "failures", Title: "Failed sign-ins and registrations",
		About:   "What was refused or broke in the period, counted by person, reason and origin. A person who was not known, or whose name was not given, is not named.",
		Columns: []string{"person", "reason", "from", "purpose", "times", "first", "last", "last record"},
	}
	type row struct {
		failure
		*tally
	}
	var all []row
	for f, n := range v.failures {
		all = append(all, row{f, n})
	}
	slices.SortFunc(all, func(a, b row) int {
		return cmp.Or(-cmp.Compare(a.n, b.n), cmp.Compare(a.record, b.record))
	})
	for _, r := range all {
		t.add(text(r.user), text(r.reason), text(r.from), text(r.purpose), text(strconv.FormatUint(r.n, 10)), at(r.first), at(r.last), record(r.record))
	}
	if v.unlisted > 0 {
		t.add(text(""), flagged("further kinds, not told apart"), text(""), text(""), text(strconv.FormatUint(v.unlisted, 10)), text(""), text(""), text(""))
	}
	return t
}

// list is a table of notes of the period.
func (v *Review) list(name, title, about string, notes []note, flag func(note) bool) *Table {
	t := &Table{Name: name, Title: title, About: about, Columns: []string{"when", "what", "person", "by", "why", "credential (SHA-256)", "record"}}
	for _, n := range notes {
		if v.inPeriod(n.at) {
			t.add(at(n.at), Cell{n.what, flag(n)}, text(n.user), text(n.by), text(n.why), text(n.key), record(n.record))
		}
	}
	return t
}

func (v *Review) policyChanges() *Table {
	t := &Table{
		Name: "policies", Title: "Changes of the key policy",
		About:   "Which policy was in force when: SHA-256 of the policy before and after.",
		Columns: []string{"when", "by", "rationale", "before", "after", "record"},
	}
	for _, p := range v.policies {
		if v.inPeriod(p.at) {
			t.add(at(p.at), text(p.by), text(p.why), text(p.old), text(p.new), record(p.record))
		}
	}
	return t
}
