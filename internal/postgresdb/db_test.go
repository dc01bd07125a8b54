package postgresdb_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/internal/postgresdb"
	"github.com/lakekey/lakekey/internal/postgrestest"
)

var counters = postgresdb.Component{Name: "counters", Migrations: []string{
	`CREATE TABLE counters (name text PRIMARY KEY, n bigint NOT NULL); INSERT INTO counters VALUES ('a', 0), ('b', 0)`,
}}

func open(t *testing.T, address string) *postgresdb.DB {
	t.Helper()
	db, err := postgresdb.Open(t.Context(), address, counters)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

func count(t *testing.T, db *postgresdb.DB) (n int) {
	t.Helper()
	require.NoError(t, db.QueryRowContext(t.Context(), "SELECT n FROM counters WHERE name = 'a'").Scan(&n))
	return n
}

// increment reads first and writes then, which works only if nobody comes between.
func increment(ctx context.Context, db *postgresdb.DB) error {
	return db.Write(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE"); err != nil {
			return db.Failed(ctx, "being strict", err)
		}
		var n int
		if err := tx.QueryRowContext(ctx, "SELECT n FROM counters WHERE name = 'a'").Scan(&n); err != nil {
			return db.Failed(ctx, "reading", err)
		}
		_, err := tx.ExecContext(ctx, "UPDATE counters SET n = $1 WHERE name = 'a'", n+1)
		return db.Failed(ctx, "writing", err)
	})
}

func TestTransactionsThatLoseARaceRunAgain(t *testing.T) {
	address := postgrestest.URL(t)
	dbs := []*postgresdb.DB{open(t, address), open(t, address)}
	var wg sync.WaitGroup
	errs := make(chan error, 24)
	for i := range cap(errs) {
		wg.Go(func() { errs <- increment(t.Context(), dbs[i%2]) })
	}
	wg.Wait()
	close(errs)
	done := 0
	for err := range errs {
		if err == nil {
			done++
			continue
		}
		e, ok := errors.AsType[*postgresdb.Error](err) // it may give up, but never lie
		require.True(t, ok, "%v", err)
		require.Equal(t, "40001", e.Code)
	}
	require.Positive(t, done)
	require.Equal(t, done, count(t, dbs[0]))
}

// Two that lock the same rows the other way round cannot both go on: the server
// gives one up, and Write makes it run again.
func TestDeadlockIsResolved(t *testing.T) {
	db := open(t, postgrestest.URL(t))
	var first, second sync.WaitGroup
	first.Add(1)
	second.Add(1)
	lock := func(mine, others string, here, there *sync.WaitGroup) func() {
		return func() {
			var once sync.Once
			attempts := 0
			err := db.Write(t.Context(), func(tx *sql.Tx) error {
				attempts++
				for _, name := range []string{mine, others} {
					if _, err := tx.ExecContext(t.Context(), "UPDATE counters SET n = n + 1 WHERE name = $1", name); err != nil {
						return err
					}
					once.Do(here.Done)
					if attempts == 1 {
						there.Wait()
					}
				}
				return nil
			})
			if err != nil {
				t.Errorf("%s: %v", mine, err)
			}
		}
	}
	var wg sync.WaitGroup
	wg.Go(lock("a", "b", &first, &second))
	wg.Go(lock("b", "a", &second, &first))
	wg.Wait()
	require.Equal(t, 2, count(t, db))
}

func TestFailedWriteLeavesNothing(t *testing.T) {
	db := open(t, postgrestest.URL(t))
	boom := errors.New("boom")
	err := db.Write(t.Context(), func(tx *sql.Tx) error {
		_, err := tx.ExecContext(t.Context(), "UPDATE counters SET n = 7")
		require.NoError(t, err)
		return boom
	})
	require.Equal(t, boom, err)
	require.Panics(t, func() {
		_ = db.Write(t.Context(), func(tx *sql.Tx) error {
			_, err := tx.ExecContext(t.Context(), "UPDATE counters SET n = 8")
			require.NoError(t, err)
			panic("at the disco")
		})
	})
	require.Equal(t, 0, count(t, db))
}

func TestWaitsEnd(t *testing.T) {
	address := postgrestest.URL(t)
	db, impatient := open(t, address), open(t, address+"&statement_timeout=50ms&lock_timeout=20ms")
	require.NoError(t, db.Write(t.Context(), func(tx *sql.Tx) error {
		_, err := tx.ExecContext(t.Context(), "UPDATE counters SET n = 1 WHERE name = 'a'")
		require.NoError(t, err)

		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		require.ErrorIs(t, increment(ctx, db), context.DeadlineExceeded)

		err = increment(t.Context(), impatient)
		e, ok := errors.AsType[*postgresdb.Error](err)
		require.True(t, ok, "%v", err)
		require.Equal(t, "55P03", e.Code)
		require.True(t, e.Unavailable)
		return nil
	}))
	_, err := impatient.ExecContext(t.Context(), "SELECT pg_sleep(60)")
	require.ErrorContains(t, impatient.Failed(t.Context(), "sleeping", err), "postgresdb: sleeping: it took longer than the statement_timeout (SQLSTATE 57014)")
	require.NoError(t, increment(t.Context(), impatient))
}

func TestServerGoesAndComesBack(t *testing.T) {
	server := postgrestest.Start(t, postgrestest.Options{})
	db := open(t, server.URL(t))
	// Several connections, all of which the server drops.
	open := make([]*sql.Conn, 5)
	for i := range open {
		c, err := db.Conn(t.Context())
		require.NoError(t, err)
		open[i] = c
	}
	for _, c := range open {
		require.NoError(t, c.Close())
	}
	require.Equal(t, len(open), db.Stats().Idle)

	read := func() error {
		return db.Failed(t.Context(), "reading", db.QueryRowContext(t.Context(), "SELECT n FROM counters WHERE name = 'a'").Scan(new(int)))
	}
	requireUnavailable := func(err error) {
		t.Helper()
		e, ok := errors.AsType[*postgresdb.Error](err)
		require.True(t, ok, "%v", err)
		require.True(t, e.Unavailable, "%v", err)
		require.Contains(t, err.Error(), "postgresdb: reading: ")
	}
	server.Stop(t)
	requireUnavailable(read())
	err := read()
	requireUnavailable(err)
	require.Contains(t, err.Error(), "no server can be reached")
	server.Start(t)
	require.NoError(t, read())

	// Gone and back between two calls: one call may pay for it, the next works.
	server.Stop(t)
	server.Start(t)
	if err := read(); err != nil {
		requireUnavailable(err)
	}
	require.NoError(t, read())

	// Likewise if who was in a transaction does not say what happened.
	server.Stop(t)
	server.Start(t)
	silent := errors.New("no idea")
	err = db.Write(t.Context(), func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(t.Context(), "UPDATE counters SET n = n"); err != nil {
			return silent
		}
		return nil
	})
	if e, ok := errors.AsType[*postgresdb.Error](err); err != nil && !errors.Is(err, silent) {
		require.True(t, ok && e.Unavailable, "%v", err)
	}
	require.NoError(t, read())
	require.NoError(t, increment(t.Context(), db))
}

func TestWhoIsNotLetInIsToldWhy(t *testing.T) {
	server := postgrestest.Start(t, postgrestest.Options{})
	address := server.URL(t)
	server.Exec(t, "CREATE ROLE app LOGIN PASSWORD 'right-one'")
	as := func(change func(*url.URL)) error {
		u, err := url.Parse(address)
		require.NoError(t, err)
		change(u)
		db, err := postgresdb.Open(t.Context(), u.String(), counters)
		if err == nil {
			require.NoError(t, db.Close())
		}
		return err
	}
	for why, change := range map[string]func(*url.URL){
		"does not accept the password": func(u *url.URL) { u.User = url.UserPassword("app", "wrong-one") },
		"no database of this name":     func(u *url.URL) { u.Path = "/nowhere" },
		"the role may not do this":     func(u *url.URL) { u.User = url.UserPassword("app", "right-one") }, // it may not create tables
		"no server can be reached":     func(u *url.URL) { u.RawQuery = "host=" + url.QueryEscape(t.TempDir()) },
	} {
		err := as(change)
		require.ErrorContains(t, err, why)
		require.NotContains(t, err.Error(), "-one")
		require.NotContains(t, fmt.Sprintf("%+v %#v", err, err), "-one")
	}

	// Once the tables are there, a role that may only use them will do.
	db := open(t, address)
	for _, grant := range []string{"GRANT SELECT ON lakekey_migrations TO app", "GRANT SELECT, UPDATE ON counters TO app"} {
		_, err := db.ExecContext(t.Context(), grant)
		require.NoError(t, err)
	}
	require.NoError(t, as(func(u *url.URL) { u.User = url.UserPassword("app", "right-one") }))
}

func TestUnsuitableServersAreNamed(t *testing.T) {
	require.NoError(t, postgresdb.Suits(130000, "13.0", "UTF8"))
	require.ErrorContains(t, postgresdb.Suits(120022, "12.22", "UTF8"), "the server is PostgreSQL 12.22, and 13 or newer is needed")
	require.ErrorContains(t, postgresdb.Suits(150000, "15.0", "SQL_ASCII"), "--encoding=UTF8")
}
