package review_test

import (
	"bytes"
	"encoding/csv"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/fido/audit"
	"github.com/lakekey/lakekey/fido/audit/review"
)

const hostile = `</td><script>alert(1)</script>`

// story is half a year of a small company: day is when, in days from the first of
// January 2026, each of its events happened.
var story = []struct {
	day float64
	audit.Event
}{
	{0, audit.Event{Type: "policy.changed", Outcome: audit.OK, Actor: "root@example.com", PolicyHashOld: "p0", PolicyHash: "p1", Rationale: "first policy"}},
	{1, audit.Event{Type: "credential.registered", Outcome: audit.OK, User: "ada@example.com", CredentialHash: "ada-1", CredentialName: "blue key", Attestation: "rooted", AAGUID: "fa2b99dc-9e39-4257-8f92-4a30d23c4118"}},
	{1, audit.Event{Type: "credential.pending", Outcome: audit.OK, User: "ada@example.com", CredentialHash: "ada-1"}},
	{2, audit.Event{Type: "credential.approved", Outcome: audit.OK, User: "ada@example.com", Actor: "root@example.com", Rationale: "met in person", CredentialHash: "ada-1"}},
	{3, audit.Event{Type: "credential.registered", Outcome: audit.OK, User: "bob@example.com", CredentialHash: "bob-1", CredentialName: hostile}},
	{4, audit.Event{Type: "credential.approved", Outcome: audit.OK, User: "bob@example.com", Actor: "BOB@example.com", CredentialHash: "bob-1"}},
	{5, audit.Event{Type: "credential.registered", Outcome: audit.Denied, User: "eve@example.com", CredentialHash: "eve-1"}},
	{10, audit.Event{Type: "ceremony.finished", Outcome: audit.OK, User: "ada@example.com", Purpose: "sign-in", CredentialHash: "ada-1"}},
	{11, audit.Event{Type: "ceremony.finished", Outcome: audit.OK, User: "old@example.com", Purpose: "sign-in", CredentialHash: "old-1"}},
	{12, audit.Event{Type: "ceremony.failed", Outcome: audit.Denied, User: "bob@example.com", Purpose: "sign-in", Reason: "unknown key", RemoteAddr: "192.0.2.7"}},
	{13, audit.Event{Type: "ceremony.failed", Outcome: audit.Denied, User: "bob@example.com", Purpose: "sign-in", Reason: "unknown key", RemoteAddr: "192.0.2.7"}},
	{20, audit.Event{Type: "credential.registered", Outcome: audit.OK, User: "cyd@example.com", CredentialHash: "cyd-1"}},
	{30, audit.Event{Type: "credential.reported-lost", Outcome: audit.OK, User: "cyd@example.com", CredentialHash: "cyd-1", Rationale: "left on a train"}},
	{30.25, audit.Event{Type: "credential.revoked", Outcome: audit.OK, User: "dan@example.com", Actor: "root@example.com", CredentialHash: "dan-1"}},
	{31, audit.Event{Type: "recovery.used", Outcome: audit.OK, User: "cyd@example.com"}},
	{31, audit.Event{Type: "credential.registered", Outcome: audit.OK, User: "cyd@example.com", CredentialHash: "cyd-2"}},
	{40, audit.Event{Type: "credential.revocation-requested", Outcome: audit.OK, User: "ada@example.com", Actor: "hr@example.com", CredentialHash: "ada-1"}},
	{42, audit.Event{Type: "credential.revoked", Outcome: audit.OK, User: "ada@example.com", Actor: "root@example.com", Rationale: "left", CredentialHash: "ada-1"}},
	{50, audit.Event{Type: "credential.revocation-requested", Outcome: audit.OK, User: "bob@example.com", Actor: "hr@example.com", CredentialHash: "bob-1"}},
	{51, audit.Event{Type: "user.blocked", Outcome: audit.OK, User: "bob@example.com", Actor: "hr@example.com", Rationale: "on leave"}},
	{60, audit.Event{Type: "audit.lost", Outcome: audit.Failed, Reason: "12 records of best-effort delivery were lost"}},
	{130, audit.Event{Type: "ceremony.finished", Outcome: audit.OK, User: "cyd@example.com", Purpose: "sign-in", CredentialHash: "cyd-2"}},
	{131, audit.Event{Type: "clone.suspected", Outcome: audit.OK, User: "cyd@example.com", CredentialHash: "cyd-2", Reason: "sign count went from 9 to 3"}},
}

func day(n float64) time.Time {
	return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(n * 24 * float64(time.Hour)))
}

func report(t testing.TB, o review.Options) *review.Report {
	t.Helper()
	signer, _, _, err := audit.NewSigner("idp.example.com/audit")
	require.NoError(t, err)
	var now time.Time
	l := audit.NewMemory(signer, audit.Options{Now: func() time.Time { return now }})
	for _, s := range story {
		now = day(s.day)
		require.NoError(t, l.Append(t.Context(), s.Event))
	}
	_, err = l.Begin(t.Context(), audit.Event{Type: "credential.registered", User: "zoe@example.com", CredentialHash: "zoe-1"})
	require.NoError(t, err)
	var b bytes.Buffer
	_, err = l.WriteTo(&b)
	require.NoError(t, err)
	v := review.New(o)
	verified, err := audit.Verify(&b, nil, audit.VerifyOptions{InsecureNoCheckpoint: true, Each: v.Add})
	require.NoError(t, err)
	return v.Finish("idp.example.com/audit", verified)
}

// rows returns a table as its file has it, without the line of names.
func rows(t testing.TB, r *review.Report, name string) [][]string {
	t.Helper()
	for _, table := range r.Tables {
		if table.Name == name {
			var b bytes.Buffer
			require.NoError(t, table.WriteCSV(&b))
			all, err := csv.NewReader(&b).ReadAll()
			require.NoError(t, err)
			require.Equal(t, table.Columns, all[0])
			return all[1:]
		}
	}
	t.Fatalf("no table %s", name)
	return nil
}

// column returns the cells of one column, joined.
func column(t testing.TB, r *review.Report, table, name string) string {
	t.Helper()
	for _, x := range r.Tables {
		if x.Name == table {
			for i, c := range x.Columns {
				if c == name {
					var all []string
					for _, row := range rows(t, r, table) {
						all = append(all, row[i])
					}
					return strings.Join(all, "|")
				}
			}
		}
	}
	t.Fatalf("no column %s in %s", name, table)
	return ""
}

func figure(t testing.TB, r *review.Report, name string) string {
	t.Helper()
	for _, f := range r.Figures {
		if f.Name == name {
			return f.Value
		}
	}
	t.Fatalf("no figure %s", name)
	return ""
}

func TestWhoHeldWhichKeyOnThatDay(t *testing.T) {
	for _, c := range []struct {
		day    float64
		people string
		state  string
	}{
		{0.5, "", ""},
		{1.5, "ada@example.com", "waits for approval"},
		{2.5, "ada@example.com", "active"},
		{10.5, "ada@example.com|bob@example.com", "active|active"},
		{30, "ada@example.com|bob@example.com|cyd@example.com|old@example.com", "active|active|active|active"},
		{30.1, "ada@example.com|bob@example.com|old@example.com", "active|active|active"},
		{45, "bob@example.com|cyd@example.com|old@example.com", "active|active|active"},
		{200, "bob@example.com|cyd@example.com|old@example.com", "active, person blocked|active|active"},
	} {
		r := report(t, review.Options{AsOf: day(c.day)})
		require.Equal(t, c.people, column(t, r, "holders", "person"), "day %v", c.day)
		require.Equal(t, c.state, column(t, r, "holders", "state"), "day %v", c.day)
	}
	r := report(t, review.Options{})
	require.Equal(t, "2026-01-04T00:00:00Z|2026-02-01T00:00:00Z|not in this log", column(t, r, "holders", "registered"))
	require.NotContains(t, column(t, r, "holders", "person"), "eve", "a key that was refused is nobody's")
	require.NotContains(t, column(t, r, "holders", "person"), "zoe", "nor is one that was only announced")
	require.Equal(t, "3", figure(t, r, "keys not revoked"))
	require.Equal(t, "1", figure(t, r, "acts without a result"))
}

// A key that was held back while it waited for an approval waits for it again, and
// what is revoked stays so whatever is recorded next.
func TestQuarantineIsNoWayAroundAnApproval(t *testing.T) {
	about := func(typ string) audit.Event {
		return audit.Event{Type: "credential." + typ, Outcome: audit.OK, User: "ada@example.com", CredentialHash: "ada-1", Actor: "root@example.com", Rationale: "because"}
	}
	for state, events := range map[string][]string{
		"waits for approval": {"registered", "pending", "quarantined", "released"},
		"active":             {"registered", "pending", "quarantined", "released", "approved", "quarantined", "released"},
		"":                   {"registered", "revoked", "quarantined", "released"},
	} {
		v := review.New(review.Options{})
		for i, typ := range events {
			require.NoError(t, v.Add(&audit.Record{Number: uint64(i + 1), Time: day(float64(i)), Phase: audit.PhaseEvent, Event: about(typ)}))
		}
		require.Equal(t, state, column(t, v.Finish("log", &audit.Report{}), "holders", "state"), "%v", events)
	}
}

// Whoever guesses at recovery codes does not decide how much memory a report takes.
func TestGuessesAreBounded(t *testing.T) {
	v := review.New(review.Options{})
	for n := range uint64(10_007) {
		require.NoError(t, v.Add(&audit.Record{Number: n + 1, Time: day(1), Phase: audit.PhaseEvent, Event: audit.Event{Type: "recovery.failed", Outcome: audit.Denied}}))
	}
	r := v.Finish("log", &audit.Report{})
	require.Len(t, rows(t, r, "recovery"), 10_000)
	require.Equal(t, "7", figure(t, r, "failed attempts"))
	require.Contains(t, strings.Join(r.Limits, "\n"), "7 attempts of further kinds")
}

func TestApprovalsAreAskedAbout(t *testing.T) {
	r := report(t, review.Options{})
	require.Equal(t, [][]string{
		{"2026-01-03T00:00:00Z", "ada@example.com", "blue key", "approved", "root@example.com", "met in person", "ada-1", "4"},
		{"2026-01-05T00:00:00Z", "bob@example.com", hostile, "approved", "BOB@example.com", "none recorded", "bob-1", "6"},
	}, rows(t, r, "approvals"))
	require.Equal(t, "1", figure(t, r, "approvals to ask about"))
	require.Empty(t, rows(t, report(t, review.Options{Since: day(10)}), "approvals"), "they were before the period")
}

func TestRevocationsHaveALatency(t *testing.T) {
	r := report(t, review.Options{AsOf: day(60)})
	require.Equal(t, "0.0|unknown|48.0|240.0 so far", column(t, r, "revocations", "latency (hours)"))
	require.Equal(t, "reported lost: left on a train|||", column(t, r, "revocations", "why"))
	require.Equal(t, "2026-01-31T00:00:00Z|2026-01-31T06:00:00Z|2026-02-12T00:00:00Z|not yet", column(t, r, "revocations", "revoked"))
	require.Equal(t, "2", figure(t, r, "slow or open revocations"))
	r = report(t, review.Options{AsOf: day(60), SlowAfter: 72 * time.Hour})
	require.Equal(t, "1", figure(t, r, "slow or open revocations"))
}

func TestKeysThatNobodyUses(t *testing.T) {
	r := report(t, review.Options{AsOf: day(140)})
	require.Equal(t, "bob@example.com|old@example.com", column(t, r, "unused", "person"))
	require.Equal(t, "137|129", column(t, r, "unused", "days"))
	r = report(t, review.Options{AsOf: day(140), StaleAfter: 130 * 24 * time.Hour})
	require.Equal(t, "bob@example.com", column(t, r, "unused", "person"))
}

func TestWhatElseHappened(t *testing.T) {
	r := report(t, review.Options{})
	require.Equal(t, [][]string{{"bob@example.com", "unknown key", "192.0.2.7", "sign-in", "2", "2026-01-13T00:00:00Z", "2026-01-14T00:00:00Z", "11"}}, rows(t, r, "failures"))
	require.Equal(t, "recovery.used", column(t, r, "recovery", "what"))
	require.Equal(t, "user.blocked", column(t, r, "people", "what"))
	require.Equal(t, "p0", column(t, r, "policies", "before"))
	require.Equal(t, "clone.suspected", column(t, r, "incidents", "what"))
	require.Equal(t, "audit.lost", column(t, r, "log", "what"))
	require.Equal(t, "3", figure(t, r, "sign-ins"))
	require.Equal(t, "2", figure(t, r, "failed attempts"))
}

func TestTheReportSaysWhatTheLogDoesNotHold(t *testing.T) {
	all := strings.Join(report(t, review.Options{AsOf: day(70)}).Limits, "\n")
	require.Contains(t, all, "The log begins on 2026-01-01T00:00:00Z")
	require.Contains(t, all, "2 keys are known by later records alone, with no registration in this log (of dan@example.com, old@example.com).")
	require.Contains(t, all, "12 records of best-effort delivery were lost")
	require.Contains(t, all, "1 act was announced and has no result")
	require.Contains(t, all, "3 records from 2026-03-12T00:00:00Z on are left out.")
	require.Contains(t, all, "The newest 24 of 24 records are under no checkpoint")
	signer, _, _, err := audit.NewSigner("a")
	require.NoError(t, err)
	require.NoError(t, audit.NewMemory(signer, audit.Options{}).Close())
	empty := review.New(review.Options{}).Finish("a", &audit.Report{})
	require.Equal(t, "This log is empty.", empty.Limits[0])
	var page bytes.Buffer
	require.NoError(t, empty.WriteHTML(&page))
}

func TestThePageNeedsNothingAndBelievesNobody(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, report(t, review.Options{}).WriteHTML(&b))
	page := b.String()
	require.Contains(t, page, "&lt;/td&gt;&lt;script&gt;")
	for _, never := range []string{"<script", "http://", "https://", "src=", "@import", "url(", "javascript:", "onload"} {
		require.NotContains(t, page, never)
	}
	require.Contains(t, page, `default-src 'none'`)
	require.Contains(t, page, "prefers-color-scheme: dark")
	require.Contains(t, page, "@media print")
	require.Equal(t, strings.Count(page, "<td"), strings.Count(page, "</td>"))
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }

func TestAFullDiskIsReported(t *testing.T) {
	r := report(t, review.Options{})
	require.ErrorContains(t, r.WriteHTML(full{}), "no space left")
	require.ErrorContains(t, r.Tables[0].WriteCSV(full{}), "no space left")
}

// Strangers decide what failures say; memory must not follow them.
func TestKindsOfFailuresAreBounded(t *testing.T) {
	v := review.New(review.Options{})
	const n = 30_000
	for i := range n {
		require.NoError(t, v.Add(&audit.Record{
			Number: uint64(i + 1), Time: day(1), Phase: audit.PhaseEvent,
			Event: audit.Event{Type: "ceremony.failed", Outcome: audit.Denied, Reason: strings.Repeat("x", i%7), RemoteAddr: time.Duration(i).String()},
		}))
	}
	r := v.Finish("a", &audit.Report{Records: n})
	require.Len(t, rows(t, r, "failures"), 10_001)
	require.Equal(t, "30000", figure(t, r, "failed attempts"))
	var page bytes.Buffer
	require.NoError(t, r.WriteHTML(&page))
	require.Contains(t, page.String(), "9501 more rows are in failures.csv")
	require.Less(t, page.Len(), 1<<20)
}
