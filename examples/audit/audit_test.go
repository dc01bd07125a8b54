// The commands as an auditor runs them: built, started as processes, given files.
package main_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/fido/audit"
	"github.com/lakekey/lakekey/fido/audit/postgres"
	"github.com/lakekey/lakekey/fido/audit/sqlite"
	"github.com/lakekey/lakekey/internal/postgrestest"
)

var program = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "lakekey-audit-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "audit.exe")
	out, err := exec.Command("go", "build", "-o", path, ".").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return path, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if path, err := program(); err == nil {
		_ = os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(code)
}

// call runs a command in dir and returns what it wrote and its exit status.
func call(t *testing.T, dir string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	path, err := program()
	require.NoError(t, err)
	c := exec.CommandContext(t.Context(), path, args...)
	c.Dir = dir
	var out, said bytes.Buffer
	c.Stdout, c.Stderr = &out, &said
	if err := c.Run(); err != nil {
		e, ok := errors.AsType[*exec.ExitError](err)
		require.True(t, ok, "%v", err)
		code = e.ExitCode()
	}
	return out.String(), said.String(), code
}

// story is a log of a quarter with a checkpoint kept after every record, in a file
// and in a database.
type story struct {
	dir, key string
	records  int
}

func tell(t *testing.T) story {
	t.Helper()
	dir := t.TempDir()
	signer, key, err := audit.OpenSigner(filepath.Join(dir, "log.key"), "idp.example.com/audit")
	require.NoError(t, err)
	db, err := sqlite.Open(t.Context(), filepath.Join(dir, "log.db"))
	require.NoError(t, err)
	var now time.Time
	o := audit.Options{Now: func() time.Time { return now }}
	inDatabase, err := audit.OpenSQL(t.Context(), db, signer, o)
	require.NoError(t, err)
	inFile, err := audit.OpenFile(filepath.Join(dir, "audit.log"), signer, o)
	require.NoError(t, err)
	s := story{dir: dir, key: key}
	for _, e := range []audit.Event{
		{Type: "credential.registered", Outcome: audit.OK, User: "ada@example.com", CredentialHash: "ada-1", CredentialName: "blue key"},
		{Type: "credential.approved", Outcome: audit.OK, User: "ada@example.com", Actor: "root@example.com", CredentialHash: "ada-1"},
		{Type: "ceremony.finished", Outcome: audit.OK, User: "ada@example.com", Purpose: "sign-in", CredentialHash: "ada-1"},
		{Type: "ceremony.failed", Outcome: audit.Denied, User: "ada@example.com", Reason: "unknown key"},
		{Type: "credential.registered", Outcome: audit.OK, User: "bob@example.com", CredentialHash: "bob-1"},
		{Type: "credential.reported-lost", Outcome: audit.OK, User: "bob@example.com", CredentialHash: "bob-1"},
		{Type: "credential.revoked", Outcome: audit.OK, User: "bob@example.com", CredentialHash: "bob-1"},
	} {
		now = time.Date(2026, 1, 10+10*s.records, 12, 0, 0, 0, time.UTC)
		s.records++
		for name, l := range map[string]*audit.Log{"%d.checkpoint": inFile, "db-%d.checkpoint": inDatabase} {
			require.NoError(t, l.Append(t.Context(), e))
			cp, err := l.Checkpoint(t.Context())
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(filepath.Join(dir, fmt.Sprintf(name, s.records)), cp, 0o600))
		}
	}
	require.NoError(t, inFile.Close())
	require.NoError(t, inDatabase.Close())
	return s
}

// audit runs a command on the log.
func (s story) audit(t *testing.T, command string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	return call(t, s.dir, append([]string{command, "-key", s.key}, args...)...)
}

// ok runs a command that must succeed and returns what it wrote.
func (s story) ok(t *testing.T, command string, args ...string) string {
	t.Helper()
	out, said, code := s.audit(t, command, args...)
	require.Zero(t, code, "%s%s", out, said)
	return out
}

func TestVerify(t *testing.T) {
	s := tell(t)
	for _, log := range []string{"audit.log", "sqlite:log.db"} {
		require.Contains(t, s.ok(t, "verify", "-log", log), "verified: 7 records")
	}
	require.Contains(t, s.ok(t, "verify", "-log", "audit.log", "-checkpoint", "3.checkpoint"), "verified: 7 records")
}

// A log that replicas share is read as any other.
func TestPostgres(t *testing.T) {
	address := postgrestest.URL(t)
	db, err := postgres.Open(t.Context(), address)
	require.NoError(t, err)
	signer, key, _, err := audit.NewSigner("idp.example.com/audit")
	require.NoError(t, err)
	l, err := audit.OpenSQL(t.Context(), db, signer, audit.Options{})
	require.NoError(t, err)
	require.NoError(t, l.Append(t.Context(), audit.Event{Type: "credential.registered", Outcome: audit.OK, User: "ada@example.com", CredentialHash: "ada-1"}))
	require.NoError(t, l.Close())
	s := story{dir: t.TempDir(), key: key}
	require.Contains(t, s.ok(t, "verify", "-log", address), "verified: 1 records")
	require.Contains(t, s.ok(t, "prove", "-log", address, "-record", "1"), "index 0")
	require.Contains(t, s.ok(t, "export", "-log", address, "-format", "jsonl"), "ada@example.com")
	require.Regexp(t, `(?m)^  +1  keys not revoked$`, s.ok(t, "report", "-log", address))
}

func TestProve(t *testing.T) {
	s := tell(t)
	require.Contains(t, s.ok(t, "prove", "-log", "audit.log", "-record", "4", "-out", "4.tlog-proof"), "proven: 4.tlog-proof says that record 4")
	out := s.ok(t, "prove", "-check", "4.tlog-proof")
	require.Contains(t, out, "this is record 4 of the first 7 of idp.example.com/audit")
	require.Contains(t, out, `"reason":"unknown key"`)
	require.NotContains(t, out, "blue key")

	proof := s.ok(t, "prove", "-log", "sqlite:log.db", "-record", "4")
	require.True(t, strings.HasPrefix(proof, "c2sp.org/tlog-proof@v1\n"), "%s", proof)
	proof = s.ok(t, "prove", "-log", "audit.log", "-record", "4", "-checkpoint", "5.checkpoint")
	require.Contains(t, proof, "\n5\n", "under the checkpoint that was given")

	forged, err := os.ReadFile(filepath.Join(s.dir, "4.tlog-proof"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(s.dir, "5.tlog-proof"), bytes.Replace(forged, []byte("index 3"), []byte("index 4"), 1), 0o600))
	out, _, code := s.audit(t, "prove", "-check", "5.tlog-proof")
	require.Equal(t, 1, code)
	require.Contains(t, out, "NOT proven")

	for _, args := range [][]string{
		{"-log", "audit.log"},
		{"-log", "audit.log", "-record", "8"},
		{"-log", "audit.log", "-record", "6", "-checkpoint", "5.checkpoint"},
		{"-log", "audit.log", "-check", "4.tlog-proof"},
		{"-check", "nothing.tlog-proof"},
	} {
		_, said, code := s.audit(t, "prove", args...)
		require.Equal(t, 2, code, "%q", args)
		require.NotEmpty(t, said)
	}
}

func TestComplete(t *testing.T) {
	s := tell(t)
	out := s.ok(t, "complete", "-log", "audit.log", "-from", "2.checkpoint", "-to", "6.checkpoint", "-out", "growth")
	require.Contains(t, out, "complete: from 2 to 6 records the log has only grown: the 4 in between")
	require.Contains(t, out, "       1  ceremony.failed\n")
	require.NotContains(t, out, "credential.approved", "that was before")
	require.Contains(t, s.ok(t, "complete", "-check", "growth", "-from", "2.checkpoint"), "complete: from 2 to 6")
	require.Contains(t, s.ok(t, "complete", "-log", "sqlite:log.db", "-from", "db-3.checkpoint"), "from 3 to 7")

	out, _, code := s.audit(t, "complete", "-check", "growth", "-from", "3.checkpoint")
	require.Equal(t, 1, code)
	require.Contains(t, out, "NOT proven")
	_, said, code := s.audit(t, "complete", "-log", "audit.log", "-from", "6.checkpoint", "-to", "2.checkpoint")
	require.Equal(t, 2, code)
	require.Contains(t, said, "older one first")

	// A record was taken out, and everything behind it signed anew.
	signer, _, err := audit.OpenSigner(filepath.Join(s.dir, "log.key"), "idp.example.com/audit")
	require.NoError(t, err)
	l, err := audit.OpenFile(filepath.Join(s.dir, "rewritten.log"), signer, audit.Options{})
	require.NoError(t, err)
	for range 9 {
		require.NoError(t, l.Append(t.Context(), audit.Event{Type: "credential.renamed", Outcome: audit.OK}))
	}
	require.NoError(t, l.Close())
	s.ok(t, "verify", "-log", "rewritten.log")
	out, _, code = s.audit(t, "complete", "-log", "rewritten.log", "-from", "2.checkpoint")
	require.Equal(t, 1, code)
	require.Contains(t, out, "NOT what was written: record 1 is the first concerned (rewritten)")
}

func TestExport(t *testing.T) {
	s := tell(t)
	log, err := os.ReadFile(filepath.Join(s.dir, "audit.log"))
	require.NoError(t, err)
	require.Equal(t, string(log), s.ok(t, "export", "-log", "audit.log", "-format", "jsonl"))

	out := s.ok(t, "export", "-log", "audit.log", "-format", "csv", "-since", "2026-01-20", "-until", "2026-02-09", "-type", "ceremony.", "-user", "ada@example.com")
	rows, err := csv.NewReader(strings.NewReader(out)).ReadAll()
	require.NoError(t, err)
	require.Len(t, rows, 3, "the last day is part of it")
	require.Equal(t, "3", rows[1][0])
	require.Equal(t, "4", rows[2][0])

	require.Contains(t, s.ok(t, "export", "-log", "sqlite:log.db", "-format", "ocsf", "-out", "siem.jsonl"), "exported: 7 records to siem.jsonl")
	siem, err := os.ReadFile(filepath.Join(s.dir, "siem.jsonl"))
	require.NoError(t, err)
	for line := range strings.Lines(string(siem)) {
		var v map[string]any
		require.NoError(t, json.Unmarshal([]byte(line), &v))
		require.Contains(t, []any{3001.0, 3002.0}, v["class_uid"])
	}
	_, said, code := s.audit(t, "export", "-log", "audit.log", "-format", "xml")
	require.Equal(t, 2, code)
	require.Contains(t, said, "ocsf, csv or jsonl")
	_, said, code = s.audit(t, "export", "-log", "audit.log", "-format", "csv", "-since", "yesterday")
	require.Equal(t, 2, code)
	require.Contains(t, said, "2026-03-31")

	// Nothing leaves a log that is not what was written.
	require.NoError(t, os.WriteFile(filepath.Join(s.dir, "audit.log"), bytes.Replace(log, []byte("bob@"), []byte("eve@"), 1), 0o600))
	out, _, code = s.audit(t, "export", "-log", "audit.log", "-format", "jsonl", "-out", "forged.jsonl")
	require.Equal(t, 1, code)
	require.Contains(t, out, "NOT what was written: record 5 ")
	require.NoFileExists(t, filepath.Join(s.dir, "forged.jsonl"))
	out, _, code = s.audit(t, "report", "-log", "audit.log")
	require.Equal(t, 1, code)
	require.NoDirExists(t, filepath.Join(s.dir, "access-review"), "%s", out)
	out, _, code = s.audit(t, "prove", "-log", "audit.log", "-record", "1")
	require.Equal(t, 1, code)
	require.Contains(t, out, "record 5 ")
}

func TestReport(t *testing.T) {
	s := tell(t)
	out := s.ok(t, "report", "-log", "audit.log", "-as-of", "2026-02-20", "-out", "review")
	require.Regexp(t, `(?m)^  +2  keys not revoked$`, out)
	require.Regexp(t, `(?m)^! +1  approvals to ask about$`, out)
	holders, err := os.ReadFile(filepath.Join(s.dir, "review", "holders.csv"))
	require.NoError(t, err)
	require.Contains(t, string(holders), "bob@example.com")
	page, err := os.ReadFile(filepath.Join(s.dir, "review", "index.html"))
	require.NoError(t, err)
	require.Contains(t, string(page), "idp.example.com/audit")
	info, err := os.Stat(filepath.Join(s.dir, "review", "index.html"))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())

	out = s.ok(t, "report", "-log", "sqlite:log.db", "-out", "review")
	require.Regexp(t, `(?m)^  +1  keys not revoked$`, out)
	holders, err = os.ReadFile(filepath.Join(s.dir, "review", "holders.csv"))
	require.NoError(t, err)
	require.NotContains(t, string(holders), "bob@example.com", "by the end of the log it was revoked")
	require.Contains(t, s.ok(t, "report", "-log", "audit.log", "-since", "2026-02-25", "-out", "later"), "  0  approvals\n")
	_, said, code := s.audit(t, "report", "-log", "audit.log", "-since", "2026-03-02", "-as-of", "2026-03-01")
	require.Equal(t, 2, code)
	require.Contains(t, said, "not before")
}

func TestMistakesSayWhatToDo(t *testing.T) {
	s := tell(t)
	for _, c := range []struct {
		want string
		args []string
	}{
		{"-log is missing", []string{"verify", "-key", s.key}},
		{"-key is missing", []string{"verify", "-log", "audit.log"}},
		{"NAME+HASH+KEY", []string{"verify", "-log", "audit.log", "-key", "x"}},
		{"no command", []string{"falsify"}},
		{"left over", []string{"verify", "-log", "audit.log", "-key", s.key, "more"}},
		{"no such file", []string{"verify", "-log", "nowhere.log", "-key", s.key, "-checkpoint", "1.checkpoint"}},
		{"no such file", []string{"verify", "-log", "sqlite:nowhere.db", "-key", s.key}},
		{"-from is missing", []string{"complete", "-log", "audit.log", "-key", s.key}},
		{"-format is missing", []string{"export", "-log", "audit.log", "-key", s.key}},
		{"not defined: -nonsense", []string{"verify", "-nonsense"}},
		{"usage:", nil},
	} {
		out, said, code := call(t, s.dir, c.args...)
		if c.want == "no such file" && code == 1 { // a log that is gone is evidence, too
			require.Contains(t, out, "missing")
			continue
		}
		require.Equal(t, 2, code, "%q: %s%s", c.args, out, said)
		require.Contains(t, said, c.want, "%q", c.args)
	}
	require.NoFileExists(t, filepath.Join(s.dir, "nowhere.db"))
	_, said, code := call(t, s.dir, "-h")
	require.Zero(t, code)
	require.Contains(t, said, "audit complete")
	for _, c := range []string{"verify", "prove", "complete", "export", "report"} {
		_, said, code := call(t, s.dir, c, "-h")
		require.Zero(t, code)
		require.Contains(t, said, "-log LOG")
	}
	_, vkey, _, err := audit.NewSigner("idp.example.com/audit")
	require.NoError(t, err)
	out, _, code := call(t, s.dir, "verify", "-log", "audit.log", "-key", vkey)
	require.Equal(t, 1, code)
	require.Contains(t, out, "NOT what was written (unsigned)")
}

func TestASlipIsNoFinding(t *testing.T) {
	s := tell(t)
	for log, want := range map[string]string{"audit.lgo": "is that where the log is?", ".": "is a directory"} {
		_, said, code := call(t, s.dir, "verify", "-log", log, "-key", s.key)
		require.Equal(t, 2, code, said)
		require.Contains(t, said, want)
	}
	log := filepath.Join(s.dir, "audit.log")
	f, err := os.OpenFile(log, os.O_WRONLY|os.O_APPEND, 0)
	require.NoError(t, err)
	_, err = f.WriteString(`{"v":1,"seq":8,"ti`)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	out, _, code := call(t, s.dir, "verify", "-log", "audit.log", "-key", s.key)
	require.Zero(t, code)
	require.Contains(t, out, "18 bytes after the last record are no record")
	require.NoError(t, os.Remove(log))
	_, said, code := call(t, s.dir, "verify", "-log", "audit.log", "-key", s.key)
	require.Equal(t, 2, code)
	require.Contains(t, said, "moved or removed")
}
