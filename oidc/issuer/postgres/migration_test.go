package postgres_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/internal/postgrestest"
	"github.com/lakekey/lakekey/oidc/issuer"
	"github.com/lakekey/lakekey/oidc/issuer/issuertest"
	"github.com/lakekey/lakekey/oidc/issuer/postgres"
)

// Keys and sessions of an older version are whole in the newest one.
func TestMigration(t *testing.T) {
	address := postgrestest.URL(t)
	old, err := postgres.OpenOld(t.Context(), address, 3)
	require.NoError(t, err)
	se := issuertest.Session("id", code(1))
	body, err := json.Marshal(se)
	require.NoError(t, err)
	_, err = old.ExecContext(t.Context(), `INSERT INTO issuer_keys (kid, pkcs8, created) VALUES ('kid', '\x01', 1000)`)
	require.NoError(t, err)
	_, err = old.ExecContext(t.Context(), `INSERT INTO issuer_sessions (id, user_handle, credential, code, body, expires) VALUES ($1, $2, $3, $4, $5, $6)`,
		se.ID, se.UserHandle, se.CredentialID, se.Code[:], body, se.Expires.UnixNano())
	require.NoError(t, err)
	require.NoError(t, old.Close())

	store := open(t, address)
	keys, err := store.Keys(t.Context())
	require.NoError(t, err)
	require.Len(t, keys, 1)
	require.Equal(t, keys[0].Created, keys[0].SignsFrom)
	require.Empty(t, keys[0].Public)
	ended, err := store.EndSessions(t.Context(), issuer.Sessions{UserName: se.UserName, ClientID: se.ClientID}, "why", se.AuthTime)
	require.NoError(t, err)
	require.Len(t, ended, 1)
}
