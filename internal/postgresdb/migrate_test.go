package postgresdb_test

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/internal/postgresdb"
	"github.com/lakekey/lakekey/internal/postgrestest"
)

func TestReplicasThatStartTogetherMigrateOnce(t *testing.T) {
	address := postgrestest.URL(t)
	slow := postgresdb.Component{Name: "slow", Migrations: []string{
		"CREATE TABLE slow (n integer); SELECT pg_sleep(0.2)", "INSERT INTO slow VALUES (1)", "INSERT INTO slow VALUES (2)",
	}}
	var wg sync.WaitGroup
	errs := make([]error, 8)
	for i := range errs {
		wg.Go(func() {
			db, err := postgresdb.Open(t.Context(), address+"&statement_timeout=100ms", slow)
			if err == nil {
				err = db.Close()
			}
			errs[i] = err
		})
	}
	wg.Wait()
	for _, err := range errs {
		require.NoError(t, err)
	}
	db, err := postgresdb.Open(t.Context(), address, slow)
	require.NoError(t, err)
	defer db.Close()
	var n int
	require.NoError(t, db.QueryRowContext(t.Context(), "SELECT count(*) FROM slow").Scan(&n))
	require.Equal(t, 2, n)
}

func TestMigrations(t *testing.T) {
	address := postgrestest.URL(t)
	migrate := func(name string, scripts ...string) error {
		db, err := postgresdb.Open(t.Context(), address, postgresdb.Component{Name: name, Migrations: scripts})
		if err == nil {
			err = db.Close()
		}
		return err
	}
	const one, two = "CREATE TABLE one (n integer)", "CREATE TABLE two (n integer)"
	require.NoError(t, migrate("a", one))
	require.NoError(t, migrate("a", one, two), "a newer build goes on where the older one stopped")
	require.NoError(t, migrate("b", "CREATE TABLE three (n integer)"), "each component counts for itself")
	require.ErrorContains(t, migrate("a", one), "run the newer lakekey")
	require.ErrorContains(t, migrate("a", two, one), "not the one this build knows")
	require.ErrorContains(t, migrate("c", "CREATE TABLE four (n integer)", "NONSENSE"), "applying migration 2")
	require.NoError(t, migrate("c", "CREATE TABLE four (n integer)"), "of a migration that failed nothing is left")
}
