package sqlitedb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"sync"
)

// maxGroup bounds how long a transaction keeps other processes waiting.
const maxGroup = 64

var errAborted = errors.New("sqlitedb: another change in the same transaction panicked, and nothing was committed")

// group makes changes that arrive together share a transaction: to begin one and
// to commit it costs several times what a change does. Whoever has the turn
// makes the changes of all who wait, each in a savepoint, so that one that
// fails undoes itself alone. If the transaction fails, so have they all.
type group struct {
	conn       *sql.Conn            // the one that writes; as it stays open, so do a database in memory and the journal of a file
	statements map[string]*sql.Stmt // of conn, by their text
	turn       chan struct{}        // holds one token: the right to use conn and statements

	mu    sync.Mutex
	queue []*change
}

// change is one call of [DB.Write] or [DB.WriteBehind].
type change struct {
	fn     func(*Tx) error
	done   chan struct{} // closed when the others are set
	err    error
	commit uint64 // the number of the commit that it is part of
}

// write returns when the change has been committed, or has not and will not be.
// It does not wait for the disk.
func (db *DB) write(ctx context.Context, fn func(*Tx) error) (commit uint64, err error) {
	waiting := func() error { return fmt.Errorf("sqlitedb: waiting to write: %w", ctx.Err()) }
	if ctx.Err() != nil {
		return 0, waiting()
	}
	g := &db.group
	if g.turn == nil { // see [OpenToRead]
		return 0, errReadOnly
	}
	c := &change{fn: fn, done: make(chan struct{})}
	g.mu.Lock()
	g.queue = append(g.queue, c)
	g.mu.Unlock()
	for {
		select {
		case <-c.done:
			return c.commit, c.err
		case <-ctx.Done():
			if g.withdraw(c) {
				return 0, waiting()
			}
			<-c.done // somebody is at it
			return c.commit, c.err
		case <-g.turn:
			if err := db.lead(ctx, c); err != nil && g.withdraw(c) {
				return 0, err
			}
		}
	}
}

// withdraw takes c out of the queue. It returns false if c is not in it any more.
func (g *group) withdraw(c *change) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	i := slices.Index(g.queue, c)
	if i < 0 {
		return false
	}
	g.queue = slices.Delete(g.queue, i, i+1)
	return true
}

func (g *group) take() []*change {
	g.mu.Lock()
	defer g.mu.Unlock()
	n := min(len(g.queue), maxGroup)
	taken := g.queue[:n]
	g.queue = slices.Clone(g.queue[n:])
	return taken
}

// lead makes the changes that wait, unless somebody has made c meanwhile, and
// passes the turn on. The error is of the transaction that could not begin.
func (db *DB) lead(ctx context.Context, c *change) error {
	g := &db.group
	defer func() { g.turn <- struct{}{} }()
	select {
	case <-c.done:
		return nil
	default:
	}
	// No other process, and no other DB of this one, may be writing.
	if err := whileBusy(ctx, func() error { return g.exec("BEGIN IMMEDIATE") }); err != nil {
		return wrap(ctx, "starting a transaction", err)
	}
	changes := g.take()
	result := errAborted
	defer func() { // also if a change panics
		var commit uint64
		if result != nil {
			_ = g.exec("ROLLBACK") // it fails if SQLite has rolled back already
		} else if db.disk != nil {
			commit = db.disk.committed()
		}
		for _, c := range changes {
			if c.commit = commit; result != nil {
				c.err = result
			}
			close(c.done)
		}
	}()
	result = g.commit(changes)
	return nil
}

// commit makes the changes and commits those that have not failed. Its error is
// the transaction's: then none of them has happened.
func (g *group) commit(changes []*change) error {
	tx := &Tx{group: g}
	for _, c := range changes {
		if err := g.exec("SAVEPOINT change"); err != nil {
			return fmt.Errorf("sqlitedb: marking the start of a change: %v", err)
		}
		if c.err = c.fn(tx); c.err != nil {
			// After some errors, of the disk for one, SQLite rolls back the whole
			// transaction; then this fails, and what follows must not be tried.
			if err := g.exec("ROLLBACK TO change"); err != nil {
				return fmt.Errorf("sqlitedb: undoing a change that failed (%v): %v", c.err, err)
			}
		}
		if err := g.exec("RELEASE change"); err != nil {
			return fmt.Errorf("sqlitedb: ending a change: %v", err)
		}
	}
	if err := g.exec("COMMIT"); err != nil {
		return fmt.Errorf("sqlitedb: committing: %v", err)
	}
	return nil
}

func (g *group) exec(statement string) error {
	s, err := g.prepared(statement)
	if err != nil {
		return err
	}
	_, err = s.ExecContext(context.Background())
	return err
}

// prepared keeps statements prepared: parsing one takes longer than running it.
func (g *group) prepared(statement string) (*sql.Stmt, error) {
	if s := g.statements[statement]; s != nil {
		return s, nil
	}
	s, err := g.conn.PrepareContext(context.Background(), statement)
	if err == nil {
		g.statements[statement] = s
	}
	return s, err
}
