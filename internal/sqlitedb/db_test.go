package sqlitedb_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/internal/sqlitedb"
)

var counters = sqlitedb.Component{Name: "counters", Migrations: []string{
	`CREATE TABLE counters (name TEXT PRIMARY KEY, n INTEGER NOT NULL) STRICT; INSERT INTO counters VALUES ('a', 0)`,
}}

// paths are the two kinds of database: each property must hold for both.
func paths(t *testing.T) map[string]string {
	return map[string]string{"memory": sqlitedb.Memory, "file": filepath.Join(t.TempDir(), "odd ?%#name.db")}
}

func open(t *testing.T, path string, c sqlitedb.Component) *sqlitedb.DB {
	t.Helper()
	db, err := sqlitedb.Open(t.Context(), path, c)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

func increment(ctx context.Context, db *sqlitedb.DB) error {
	return db.Write(ctx, func(tx *sqlitedb.Tx) error {
		var n int
		if err := tx.QueryRowContext(ctx, "SELECT n FROM counters WHERE name = 'a'").Scan(&n); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, "UPDATE counters SET n = ? WHERE name = 'a'", n+1)
		return err
	})
}

func count(t *testing.T, db *sqlitedb.DB) (n int) {
	t.Helper()
	require.NoError(t, db.QueryRowContext(t.Context(), "SELECT n FROM counters WHERE name = 'a'").Scan(&n))
	return n
}

func TestConcurrentWritesLoseNothing(t *testing.T) {
	for kind, path := range paths(t) {
		t.Run(kind, func(t *testing.T) {
			db := open(t, path, counters)
			handles := []*sqlitedb.DB{db}
			if kind == "file" {
				handles = append(handles, open(t, path, counters)) // as another process would
			}
			var wg sync.WaitGroup
			errs := make(chan error, 64)
			for i := range cap(errs) {
				wg.Go(func() {
					errs <- increment(t.Context(), handles[i%len(handles)])
					var n int
					if err := db.QueryRowContext(t.Context(), "SELECT n FROM counters").Scan(&n); err != nil {
						errs <- err
					}
				})
			}
			wg.Wait()
			close(errs)
			for err := range errs {
				require.NoError(t, err)
			}
			require.Equal(t, 64, count(t, db))
		})
	}
}

func TestFailedWriteLeavesNothing(t *testing.T) {
	for kind, path := range paths(t) {
		t.Run(kind, func(t *testing.T) {
			db := open(t, path, counters)
			boom := errors.New("boom")
			err := db.Write(t.Context(), func(tx *sqlitedb.Tx) error {
				_, err := tx.ExecContext(t.Context(), "UPDATE counters SET n = 7")
				require.NoError(t, err)
				return boom
			})
			require.ErrorIs(t, err, boom)
			require.Equal(t, 0, count(t, db))
		})
	}
}

func TestCancelledWaitEnds(t *testing.T) {
	db := open(t, sqlitedb.Memory, counters)
	ctx, cancel := context.WithCancel(t.Context())
	err := db.Write(t.Context(), func(*sqlitedb.Tx) error {
		cancel()
		return increment(ctx, db)
	})
	require.ErrorIs(t, err, context.Canceled)
	require.NoError(t, increment(t.Context(), db), "the next writer gets its turn")
}

func TestMemoryOutlivesIdleAndCancelledConnections(t *testing.T) {
	db := open(t, sqlitedb.Memory, counters)
	db.SetMaxIdleConns(0)
	for range 20 {
		ctx, cancel := context.WithCancel(t.Context())
		_ = db.Write(ctx, func(*sqlitedb.Tx) error { cancel(); return ctx.Err() })
	}
	require.NoError(t, increment(t.Context(), db))
	require.Equal(t, 1, count(t, db))
}

func TestPragmas(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.db")
	db := open(t, path, counters)
	for pragma, want := range map[string]string{"journal_mode": "wal", "synchronous": "1", "foreign_keys": "1"} {
		var got string
		require.NoError(t, db.QueryRowContext(t.Context(), "PRAGMA "+pragma).Scan(&got))
		require.Equal(t, want, got, pragma)
	}
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
}

func TestMigrations(t *testing.T) {
	path := filepath.Join(t.TempDir(), "m.db")
	first := open(t, path, counters)
	require.NoError(t, increment(t.Context(), first))

	t.Run("components share a file", func(t *testing.T) {
		other := open(t, path, sqlitedb.Component{Name: "other", Migrations: []string{"CREATE TABLE other (x TEXT) STRICT"}})
		require.Equal(t, 1, count(t, other))
	})
	t.Run("forward", func(t *testing.T) {
		more := counters
		more.Migrations = append(more.Migrations[:1:1], "UPDATE counters SET n = n + 10")
		for range 2 { // the second time there is nothing to do
			require.Equal(t, 11, count(t, open(t, path, more)))
		}
		_, err := sqlitedb.Open(t.Context(), path, counters)
		require.ErrorContains(t, err, "newer lakekey")
	})
	t.Run("edited", func(t *testing.T) {
		edited := sqlitedb.Component{Name: counters.Name, Migrations: []string{"SELECT 1", "SELECT 2"}}
		_, err := sqlitedb.Open(t.Context(), path, edited)
		require.ErrorContains(t, err, "not the one this build knows")
	})
	t.Run("broken", func(t *testing.T) {
		broken := sqlitedb.Component{Name: "broken", Migrations: []string{"CREATE TABLE half (x TEXT) STRICT", "CREATE NONSENSE"}}
		_, err := sqlitedb.Open(t.Context(), path, broken)
		require.Error(t, err)
		require.Error(t, first.QueryRowContext(t.Context(), "SELECT 1 FROM half").Scan(new(int)), "no half migration")
	})
}

func TestSymlinkAndRelativePath(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	require.NoError(t, os.Mkdir("real", 0o700))
	require.NoError(t, increment(t.Context(), open(t, filepath.Join("real", "x.db"), counters)))
	require.NoError(t, os.Symlink(filepath.Join("real", "x.db"), "link.db"))
	db := open(t, "link.db", counters)
	require.NoError(t, increment(t.Context(), db))
	require.Equal(t, 2, count(t, db))
}

// What Write has confirmed must be in the journal's file when the program dies;
// that it is on the disk as well, no test without a power switch can tell.
func TestConfirmedWritesAreInTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	db := open(t, path, counters)
	for n := 1; n <= 20; n++ {
		write := db.Write
		if n%2 == 0 {
			write = db.WriteBehind
		}
		require.NoError(t, write(t.Context(), func(tx *sqlitedb.Tx) error {
			_, err := tx.ExecContext(t.Context(), "UPDATE counters SET n = ?", n)
			return err
		}))
		copied := filepath.Join(t.TempDir(), "copy.db")
		for _, suffix := range []string{"", "-wal"} {
			b, err := os.ReadFile(path + suffix)
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(copied+suffix, b, 0o600))
		}
		require.Equal(t, n, count(t, open(t, copied, counters)))
	}
}

func TestClosedDatabaseConfirmsNothing(t *testing.T) {
	db, err := sqlitedb.Open(t.Context(), filepath.Join(t.TempDir(), "x.db"), counters)
	require.NoError(t, err)
	require.NoError(t, db.Close())
	require.Error(t, increment(t.Context(), db))
}

func TestOpenTogether(t *testing.T) {
	path := filepath.Join(t.TempDir(), "t.db")
	var wg sync.WaitGroup
	errs := make([]error, 8)
	for i := range errs {
		wg.Go(func() {
			db, err := sqlitedb.Open(t.Context(), path, counters)
			if err == nil {
				err = errors.Join(increment(t.Context(), db), db.Close())
			}
			errs[i] = err
		})
	}
	wg.Wait()
	require.NoError(t, errors.Join(errs...))
	require.Equal(t, 8, count(t, open(t, path, counters)))
}

func TestIsUnique(t *testing.T) {
	db := open(t, sqlitedb.Memory, counters)
	err := db.Write(t.Context(), func(tx *sqlitedb.Tx) error {
		_, err := tx.ExecContext(t.Context(), "INSERT INTO counters VALUES ('a', 1)")
		return fmt.Errorf("adding: %w", err)
	})
	require.True(t, sqlitedb.IsUnique(err))
	require.False(t, sqlitedb.IsUnique(errors.New("other")))
}

func TestOpenRefuses(t *testing.T) {
	for _, path := range []string{"", filepath.Join(t.TempDir(), "no", "such", "folder.db"), t.TempDir()} {
		_, err := sqlitedb.Open(t.Context(), path, counters)
		require.Error(t, err, path)
	}
}
