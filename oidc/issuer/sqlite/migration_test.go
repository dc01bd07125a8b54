package sqlite_test

import (
	"encoding/json"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/internal/sqlitedb"
	"github.com/lakekey/lakekey/oidc/issuer"
	"github.com/lakekey/lakekey/oidc/issuer/issuertest"
	"github.com/lakekey/lakekey/oidc/issuer/sqlite"
)

// Keys and sessions of an older version are whole in the newest one.
func TestMigration(t *testing.T) {
	path := filepath.Join(t.TempDir(), "issuer.db")
	old, err := sqlite.OpenOld(t.Context(), path, 3)
	require.NoError(t, err)
	se := issuertest.Session("id", code(1))
	body, err := json.Marshal(se)
	require.NoError(t, err)
	require.NoError(t, old.Write(t.Context(), func(tx *sqlitedb.Tx) error {
		if _, err := tx.ExecContext(t.Context(), `INSERT INTO issuer_keys (kid, pkcs8, created) VALUES ('kid', x'01', 1000)`); err != nil {
			return err
		}
		_, err := tx.ExecContext(t.Context(), `INSERT INTO issuer_sessions (id, user, credential, code, body, expires) VALUES (?, ?, ?, ?, ?, ?)`,
			se.ID, se.UserHandle, se.CredentialID, se.Code[:], body, se.Expires.UnixNano())
		return err
	}))
	require.NoError(t, old.Close())

	store := open(t, path)
	keys, err := store.Keys(t.Context())
	require.NoError(t, err)
	require.Len(t, keys, 1)
	require.Equal(t, keys[0].Created, keys[0].SignsFrom)
	require.Empty(t, keys[0].Public)
	ended, err := store.EndSessions(t.Context(), issuer.Sessions{UserName: se.UserName, ClientID: se.ClientID}, "why", se.AuthTime)
	require.NoError(t, err)
	require.Len(t, ended, 1)
}
