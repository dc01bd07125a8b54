package sqlite_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/note"

	"github.com/lakekey/lakekey/fido/audit"
	"github.com/lakekey/lakekey/fido/audit/audittest"
	"github.com/lakekey/lakekey/fido/audit/sqlite"
	keys "github.com/lakekey/lakekey/fido/sqlite"
)

func TestDatabase(t *testing.T) {
	audittest.TestDatabase(t, func(t *testing.T) func() audit.Database {
		path := filepath.Join(t.TempDir(), "log.db")
		return func() audit.Database {
			db, err := sqlite.Open(context.Background(), path)
			require.NoError(t, err)
			return db
		}
	})
}

// Who verifies a log changes nothing, and makes none where there is none.
func TestOpenToRead(t *testing.T) {
	dir := t.TempDir()
	for name, want := range map[string]string{
		"missing.db": "no such file",
		"empty.db":   "holds no tables of audit",
		"keys.db":    "holds no tables of audit", // another store of lakekey's
		"words.db":   "not a database",
	} {
		path := filepath.Join(dir, name)
		switch name {
		case "empty.db":
			require.NoError(t, os.WriteFile(path, nil, 0o600))
		case "words.db":
			require.NoError(t, os.WriteFile(path, make([]byte, 4096), 0o600))
		case "keys.db":
			s, err := keys.Open(t.Context(), path)
			require.NoError(t, err)
			require.NoError(t, s.Close())
		}
		before, _ := os.ReadFile(path)
		_, err := sqlite.OpenToRead(t.Context(), path)
		require.ErrorContains(t, err, want, name)
		after, _ := os.ReadFile(path)
		require.Equal(t, before, after, name)
	}
	require.NoFileExists(t, filepath.Join(dir, "missing.db"))

	path := filepath.Join(dir, "log.db")
	signer, vkey, _, err := audit.NewSigner("idp.example.com/audit")
	require.NoError(t, err)
	key, err := note.NewVerifier(vkey)
	require.NoError(t, err)
	writer, err := sqlite.Open(t.Context(), path)
	require.NoError(t, err)
	log, err := audit.OpenSQL(t.Context(), writer, signer, audit.Options{})
	require.NoError(t, err)
	verified := func(want uint64) {
		t.Helper()
		db, err := sqlite.OpenToRead(t.Context(), path)
		require.NoError(t, err)
		r, err := audit.VerifySQL(t.Context(), db, key, audit.VerifyOptions{})
		require.NoError(t, err)
		require.Equal(t, want, r.Records)
		require.ErrorContains(t, db.Update(t.Context(), func(audit.Tx) error { return nil }), "to be read")
		_, err = db.QueryContext(t.Context(), "DELETE FROM audit_records RETURNING seq")
		require.Error(t, err)
		require.NoError(t, db.Close())
	}
	for n := range uint64(3) {
		require.NoError(t, log.Append(t.Context(), audit.Event{Type: "session.end", User: "ada@example.com"}))
		verified(n + 1)
	}
	require.NoError(t, log.Close())
	verified(3) // and without its writer
}
