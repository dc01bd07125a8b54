package export_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/fido/audit"
	"github.com/lakekey/lakekey/fido/audit/export"
)

// day is a log of some hours of one day.
func day(t testing.TB) *audit.Log {
	t.Helper()
	signer, _, _, err := audit.NewSigner("idp.example.com/audit")
	require.NoError(t, err)
	now := time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)
	l := audit.NewMemory(signer, audit.Options{Now: func() time.Time { now = now.Add(time.Hour); return now }})
	for _, e := range []audit.Event{
		{Type: "credential.registered", Outcome: audit.OK, User: "ada@example.com", CredentialHash: "c1"},
		{Type: "credential.approved", Outcome: audit.OK, User: "ada@example.com", Actor: "root@example.com", Rationale: `=cmd|'/c calc'!A1`, CredentialHash: "c1"},
		{Type: "ceremony.finished", Outcome: audit.OK, User: "ada@example.com", Purpose: "sign-in", CredentialHash: "c1", UserVerified: true, RemoteAddr: "[2001:db8::1]:443", Origin: "https://login.example.com"},
		{Type: "token.issue", Outcome: audit.OK, User: "ada@example.com", SessionID: "s1", Scope: "clusters:read jobs:read", Host: "https://ws.example.com"},
		{Type: "session.end", Outcome: audit.OK, SessionID: "s1", Reason: "asked, \"politely\"\nin two lines"},
		{Type: "session.end", Outcome: audit.OK, SessionID: "s2"},
	} {
		require.NoError(t, l.Append(t.Context(), e))
	}
	return l
}

func written(t testing.TB, l *audit.Log, format export.Format, f export.Filter) string {
	t.Helper()
	var out bytes.Buffer
	w, err := export.NewWriter(&out, format, "idp.example.com/audit", f)
	require.NoError(t, err)
	each(t, l, w.Write)
	require.NoError(t, w.Close())
	return out.String()
}

func TestLinesAreTheLog(t *testing.T) {
	l := day(t)
	var log bytes.Buffer
	_, err := l.WriteTo(&log)
	require.NoError(t, err)
	require.Equal(t, log.String(), written(t, l, export.JSONL, export.Filter{}))
}

func TestEveryFieldIsAColumn(t *testing.T) {
	rows, err := csv.NewReader(strings.NewReader(written(t, day(t), export.CSV, export.Filter{}))).ReadAll()
	require.NoError(t, err)
	require.Len(t, rows, 7)
	require.Equal(t, append([]string{"record", "time", "phase", "id", "intent"}, audit.FieldNames()...), rows[0])
	cell := func(row int, name string) string {
		for i, n := range rows[0] {
			if n == name {
				return rows[row][i]
			}
		}
		t.Fatalf("no column %s", name)
		return ""
	}
	require.Equal(t, "2", cell(2, "record"))
	require.Equal(t, "2026-11-23T10:00:00Z", cell(2, "time"))
	require.Equal(t, `'=cmd|'/c calc'!A1`, cell(2, "rationale"), "no formula")
	require.Equal(t, "true", cell(3, "user_verified"))
	require.Equal(t, "asked, \"politely\"\nin two lines", cell(5, "reason"))
	require.Empty(t, cell(5, "user"), "a CSV says what the record says")
}

func TestOCSFOfASignIn(t *testing.T) {
	lines := strings.Split(written(t, day(t), export.OCSF, export.Filter{}), "\n")
	var v []map[string]any
	for _, l := range lines[:6] {
		var m map[string]any
		require.NoError(t, json.Unmarshal([]byte(l), &m))
		v = append(v, m)
	}
	require.Equal(t, "MFA Factor Enable", v[0]["activity_name"])
	require.Equal(t, "root@example.com", v[1]["actor"].(map[string]any)["user"].(map[string]any)["name"])
	require.Equal(t, "ada@example.com", v[1]["user"].(map[string]any)["name"])
	require.Equal(t, float64(300201), v[2]["type_uid"])
	require.Equal(t, "2001:db8::1", v[2]["src_endpoint"].(map[string]any)["ip"])
	require.Equal(t, true, v[2]["is_mfa"])
	require.Equal(t, []any{"clusters:read", "jobs:read"}, v[3]["privileges"])
	require.Equal(t, "ws.example.com", v[3]["dst_endpoint"].(map[string]any)["hostname"])
	require.Equal(t, "ada@example.com", v[4]["user"].(map[string]any)["name"], "known by the session")
	require.Equal(t, "unknown", v[5]["user"].(map[string]any)["name"], "known by nobody")
	require.Equal(t, float64(5), v[4]["metadata"].(map[string]any)["sequence"])
}

func TestFilters(t *testing.T) {
	l := day(t)
	at := func(hour int) time.Time { return time.Date(2026, 11, 23, hour, 0, 0, 0, time.UTC) }
	for name, c := range map[string]struct {
		f    export.Filter
		want string
	}{
		"since":           {export.Filter{Since: at(13)}, "5 6"},
		"until":           {export.Filter{Until: at(11)}, "1 2"},
		"type":            {export.Filter{Types: []string{"session.end"}}, "5 6"},
		"types":           {export.Filter{Types: []string{"credential.", "token.*"}}, "1 2 4"},
		"not a prefix":    {export.Filter{Types: []string{"credential"}}, ""},
		"user by session": {export.Filter{User: "ADA@example.com", Since: at(12)}, "4 5"},
		"actor":           {export.Filter{User: "root@example.com"}, "2"},
	} {
		rows, err := csv.NewReader(strings.NewReader(written(t, l, export.CSV, c.f))).ReadAll()
		require.NoError(t, err)
		var got []string
		for _, r := range rows[1:] {
			got = append(got, r[0])
		}
		require.Equal(t, c.want, strings.Join(got, " "), name)
	}
	_, err := export.NewWriter(nil, "xml", "", export.Filter{})
	require.ErrorContains(t, err, "ocsf, csv or jsonl")
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }

func TestAFullDiskIsReported(t *testing.T) {
	for _, format := range []export.Format{export.OCSF, export.CSV, export.JSONL} {
		w, err := export.NewWriter(full{}, format, "", export.Filter{})
		require.NoError(t, err)
		r := &audit.Record{Event: audit.Event{Type: "a"}, Line: []byte("{}")}
		require.ErrorContains(t, errors.Join(w.Write(r), w.Close()), "no space left", format)
	}
}
