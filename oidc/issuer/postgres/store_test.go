package postgres_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/internal/postgrestest"
	"github.com/lakekey/lakekey/oidc/issuer"
	"github.com/lakekey/lakekey/oidc/issuer/issuertest"
	"github.com/lakekey/lakekey/oidc/issuer/postgres"
)

func open(t *testing.T, address string) *postgres.Store {
	t.Helper()
	s, err := postgres.Open(t.Context(), address)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func TestStore(t *testing.T) {
	issuertest.TestStore(t, issuertest.Options{Rounds: 100}, func(t *testing.T) issuer.Store { return open(t, postgrestest.URL(t)) })
}
