package sqlitedb_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/internal/sqlitedb"
)

func add(tx *sqlitedb.Tx) error {
	_, err := tx.ExecContext(context.Background(), "UPDATE counters SET n = n + 1 WHERE name = 'a'")
	return err
}

// together queues the changes up behind one that is under way, so that they
// share a transaction, and returns what each came to.
func together(t *testing.T, db *sqlitedb.DB, changes ...func(*sqlitedb.Tx) error) []error {
	t.Helper()
	errs := make([]error, len(changes))
	var wg sync.WaitGroup
	require.NoError(t, db.Write(t.Context(), func(*sqlitedb.Tx) error {
		for i, fn := range changes {
			wg.Go(func() {
				defer func() { // a panic surfaces in whoever has the turn
					if v := recover(); v != nil {
						errs[i] = fmt.Errorf("recovered: %v", v)
					}
				}()
				errs[i] = db.Write(t.Context(), fn)
			})
			for db.Queued() <= i {
				runtime.Gosched()
			}
		}
		return nil
	}))
	wg.Wait()
	return errs
}

func TestWritesShareATransaction(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "x.db"), counters)
	before := db.Commits()
	changes := make([]func(*sqlitedb.Tx) error, 40)
	for i := range changes {
		changes[i] = add
	}
	for _, err := range together(t, db, changes...) {
		require.NoError(t, err)
	}
	require.Equal(t, 40, count(t, db))
	require.EqualValues(t, 2, db.Commits()-before, "the one they waited for, and theirs")
}

func TestFailedWriteUndoesItselfAlone(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "x.db"), counters)
	boom := errors.New("boom")
	ctx, cancel := context.WithCancel(t.Context())
	errs := together(t, db,
		add,
		func(tx *sqlitedb.Tx) error { return errors.Join(add(tx), boom) },
		func(tx *sqlitedb.Tx) error {
			_, err := tx.ExecContext(t.Context(), "INSERT INTO counters VALUES ('a', 1)")
			return err
		},
		func(tx *sqlitedb.Tx) error {
			_, err := tx.ExecContext(t.Context(), "NONSENSE")
			return err
		},
		func(tx *sqlitedb.Tx) error { // the end of a context must not interrupt the transaction
			cancel()
			_, err := tx.ExecContext(ctx, "UPDATE counters SET n = n + 1 WHERE name = 'a'")
			return err
		},
		add,
	)
	require.NoError(t, errs[0])
	require.Equal(t, boom.Error(), errs[1].Error())
	require.True(t, sqlitedb.IsUnique(errs[2]))
	require.Error(t, errs[3])
	require.NoError(t, errs[4])
	require.NoError(t, errs[5])
	require.Equal(t, 3, count(t, db))
}

// Where the transaction is lost, none of its writes may say that it happened.
func TestLostTransactionConfirmsNothing(t *testing.T) {
	for name, fatal := range map[string]func(*sqlitedb.Tx) error{
		"rolled back by SQLite": func(tx *sqlitedb.Tx) error {
			_, err := tx.ExecContext(context.Background(), "INSERT OR ROLLBACK INTO counters VALUES ('a', 1)")
			return err
		},
		"rolled back unseen": func(tx *sqlitedb.Tx) error {
			_, _ = tx.ExecContext(context.Background(), "INSERT OR ROLLBACK INTO counters VALUES ('a', 1)")
			return nil
		},
		"panic": func(*sqlitedb.Tx) error { panic("at the disco") },
	} {
		t.Run(name, func(t *testing.T) {
			db := open(t, filepath.Join(t.TempDir(), "x.db"), counters)
			for i, err := range together(t, db, add, fatal, add) {
				require.Error(t, err, "change %d", i)
			}
			require.Equal(t, 0, count(t, db))
			require.NoError(t, increment(t.Context(), db), "the next writer gets its turn")
			require.Equal(t, 1, count(t, db))
		})
	}
}

// Whoever gives up while it has the turn leaves the others in the queue.
func TestCancelledLeaderLeavesTheOthers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	db, other := open(t, path, counters), open(t, path, counters)
	ctx, cancel := context.WithCancel(t.Context())
	first, second := make(chan error), make(chan error)
	require.NoError(t, other.Write(t.Context(), func(*sqlitedb.Tx) error {
		go func() { first <- db.Write(ctx, add) }()
		for db.Queued() < 1 {
			runtime.Gosched()
		}
		go func() { second <- db.Write(t.Context(), add) }()
		for db.Queued() < 2 {
			runtime.Gosched()
		}
		cancel()
		require.ErrorIs(t, <-first, context.Canceled)
		return nil
	}))
	require.NoError(t, <-second)
	require.Equal(t, 1, count(t, db))
}
