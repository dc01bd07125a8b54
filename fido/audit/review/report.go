package review

import (
	"fmt"
	"strings"
	"time"

	"github.com/lakekey/lakekey/fido/audit"
)

// Report is the access review.
type Report struct {
	Log     string    // its name
	Since   time.Time // the period; zero: from the beginning of the log
	AsOf    time.Time // its end, and the moment for which holders are listed
	Records uint64    // that the report rests on
	Root    string    // over all records of the log, as a checkpoint spells it
	Signed  uint64    // of all records, how many a signed checkpoint covers
	Figures []Figure
	Tables  []*Table
	Limits  []string // what the log does not hold, in sentences
}

// Figure is a number to begin with.
type Figure struct {
	Name  string
	Value string
	Flag  bool // an auditor will ask about it
}

// Finish returns the report on a log of that name which has been verified.
func (v *Review) Finish(logName string, verified *audit.Report) *Report {
	never := func(note) bool { return false }
	always := func(note) bool { return true }
	holders, approvals, revocations, stale := v.holders(), v.decisions(), v.ended(), v.stale()
	recovery := v.list("recovery", "Recovery codes", "Codes that were issued, withdrawn, used and refused in the period. Each use lets its owner register a key without the one that was lost.", v.recoveries, func(n note) bool { return n.what == "recovery.used" || n.what == "recovery.failed" })
	r := &Report{
		Log: logName, Since: v.options.Since, AsOf: v.moment(),
		Records: v.read, Root: verified.Root, Signed: verified.Signed,
		Tables: []*Table{
			holders, approvals, revocations, stale, v.refusals(), recovery,
			v.list("people", "Changes of people", "Who was blocked, let in again, or moved between groups.", v.changes, never),
			v.policyChanges(),
			v.list("incidents", "Keys under suspicion", "Quarantines, and counters that say that there may be a copy of a key.", v.notes, always),
			v.list("log", "What the log says about itself", "Records that were lost or recovered, checkpoints that did not leave the host, stale key metadata.", v.itself, always),
		},
	}
	var failures, used uint64
	for _, t := range v.failures {
		failures += t.n
	}
	failures += v.unlisted
	for _, n := range v.recoveries {
		if n.what == "recovery.used" && v.inPeriod(n.at) {
			used++
		}
	}
	people := map[string]int{}
	for _, k := range v.keys {
		if k.held() {
			people[k.user]++
		}
	}
	single := 0
	for _, n := range people {
		if n == 1 {
			single++
		}
	}
	figure := func(name string, n any, flag bool) {
		r.Figures = append(r.Figures, Figure{name, fmt.Sprint(n), flag})
	}
	figure("people with a key", len(people), false)
	figure("keys not revoked", len(holders.Rows), false)
	figure("people with one key only", single, false)
	figure("approvals", len(approvals.Rows), false)
	figure("approvals to ask about", approvals.flags(), approvals.flags() > 0)
	figure("revocations", len(revocations.Rows), false)
	figure("slow or open revocations", revocations.flags(), revocations.flags() > 0)
	figure("unused keys", len(stale.Rows), len(stale.Rows) > 0)
	figure("sign-ins", v.signIns, false)
	figure("failed attempts", failures, false)
	figure("recovery codes used", used, used > 0)
	figure("acts without a result", verified.Open, verified.Open > 0)
	r.Limits = v.limits(verified)
	return r
}

// limits says what the log does not hold. What holds for every log comes first.
func (v *Review) limits(verified *audit.Report) []string {
	first := "This log is empty."
	if v.read > 0 {
		first = fmt.Sprintf("The log begins on %s. Keys that were registered, approved or revoked before that are not in it, unless they were used since.", v.first.UTC().Format(time.RFC3339))
	}
	all := []string{
		first,
		"When somebody left the organisation, or told a colleague of a lost key, is not in the log; latencies run from what was recorded here. Compare them with the records of human resources and the help desk.",
		"A last use is a sign-in at this identity provider. What was done in a workspace afterwards is in the workspace's own audit log.",
		"Names, groups and rationales are those that were given; nobody has checked that they are true.",
		"Approvals are listed where somebody decided. Whether a policy let a key in without, is in the policy of that time, of which this log holds the hash.",
	}
	add := func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }
	if behind := verified.Records - verified.Signed; behind > 0 {
		add("The newest %d of %d records are under no checkpoint that was given: records after them could have been cut off.", behind, verified.Records)
	}
	if v.later > 0 {
		add("%s from %s on are left out.", count(v.later, "record", "records"), v.moment().UTC().Format(time.RFC3339))
	}
	var unregistered []string
	for _, k := range v.sorted() {
		if !k.first.ok() {
			unregistered = append(unregistered, k.user)
		}
	}
	if n := len(unregistered); n > 0 {
		add("%s known by later records alone, with no registration in this log (of %s).", count(uint64(n), "key is", "keys are"), some(unregistered))
	}
	if v.nameless > 0 {
		add("%s: a key is meant, and which is not said. They are not in the tables.", count(v.nameless, "record", "records"))
	}
	if v.unlisted > 0 {
		add("There were more than %d kinds of failures; %d attempts of further kinds are counted and not told apart.", maxFailures, v.unlisted)
	}
	for _, n := range v.itself {
		if n.what == "audit.lost" {
			add("Record %d says: %s. Only records whose delivery is best effort can be lost; by default that is the beginning of a ceremony.", n.record, n.why)
		}
	}
	if verified.Open > 0 {
		add("%s no result: the program stopped in between, and it may have happened.", count(verified.Open, "act was announced and has", "acts were announced and have"))
	}
	return all
}

// some names a few of them, each once.
func some(names []string) string {
	seen := map[string]bool{}
	var out []string
	for _, n := range names {
		if n == "" {
			n = "unknown"
		}
		if !seen[n] {
			seen[n] = true
			out = append(out, n)
		}
	}
	if len(out) > 5 {
		return strings.Join(out[:5], ", ") + " and others"
	}
	return strings.Join(out, ", ")
}

func count(n uint64, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, more)
}
