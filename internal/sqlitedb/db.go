package sqlitedb

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// Memory is the path that opens a database that lives as long as its DB and is
// shared by nobody else.
const Memory = ":memory:"

// busyMillis bounds how long a writer waits for a writer in another process.
const busyMillis = "10000"

// DB is an open SQLite database. Reads go through the embedded sql.DB, changes
// through [DB.Write].
type DB struct {
	*sql.DB
	writer chan struct{} // holds one token: the right to write
	anchor *sql.Conn     // keeps a database in memory alive while no other connection is open
}

// Open opens the database at path, creating it with mode 0600 if there is none,
// and brings the tables of c up to date.
func Open(ctx context.Context, path string, c Component) (*DB, error) {
	dsn, err := dataSource(path)
	if err != nil {
		return nil, err
	}
	pool, err := sql.Open("sqlite", dsn)
	if err != nil {
		return nil, fmt.Errorf("sqlitedb: opening %s: %v", path, err)
	}
	db := &DB{DB: pool, writer: make(chan struct{}, 1)}
	db.writer <- struct{}{}
	if path == Memory {
		if db.anchor, err = pool.Conn(ctx); err != nil {
			return nil, errors.Join(fmt.Errorf("sqlitedb: opening a database in memory: %w", err), pool.Close())
		}
	}
	if err := db.migrate(ctx, c); err != nil {
		return nil, errors.Join(fmt.Errorf("sqlitedb: migrating the %s tables of %s: %w", c.Name, path, err), db.Close())
	}
	return db, nil
}

// dataSource spells path as the URI filename the driver wants, so that a '?' or
// '%' in it is part of the name, and makes sure the file exists with mode 0600:
// SQLite would create it with the umask's, and gives its journal the same mode.
func dataSource(path string) (string, error) {
	q := url.Values{
		"_busy_timeout": {busyMillis},
		"_foreign_keys": {"1"},
		"_synchronous":  {"FULL"},
		"_txlock":       {"immediate"}, // a transaction that starts as a reader cannot become a writer without risking SQLITE_BUSY
	}
	if path == "" {
		return "", errors.New("sqlitedb: the path is empty")
	}
	if path == Memory {
		// The memdb VFS lets every connection of the pool see the one database,
		// with locks like a file's; "file::memory:" is another one per connection.
		q.Set("vfs", "memdb")
		return "file:/" + rand.Text() + "?" + q.Encode(), nil
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("sqlitedb: resolving %s: %v", path, err)
	}
	f, err := os.OpenFile(abs, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return "", fmt.Errorf("sqlitedb: %v", err)
	}
	if err := f.Close(); err != nil {
		return "", fmt.Errorf("sqlitedb: %v", err)
	}
	q.Set("_journal_mode", "WAL")
	return (&url.URL{Scheme: "file", OmitHost: true, Path: filepath.ToSlash(abs), RawQuery: q.Encode()}).String(), nil
}

// Write runs fn in one transaction that holds the write lock from its first
// statement, and commits if fn returns nil; otherwise nothing has happened and
// Write returns fn's error unchanged. fn must read through tx as well, and must
// not call Write.
func (db *DB) Write(ctx context.Context, fn func(tx *sql.Tx) error) error {
	select {
	case <-db.writer:
	case <-ctx.Done():
		return fmt.Errorf("sqlitedb: waiting to write: %w", ctx.Err())
	}
	defer func() { db.writer <- struct{}{} }()
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return wrap(ctx, "starting a transaction", err)
	}
	if err := fn(tx); err != nil {
		return errors.Join(err, rollback(tx))
	}
	if err := tx.Commit(); err != nil {
		return wrap(ctx, "committing", err)
	}
	return nil
}

// rollback ends tx. A transaction that a cancelled context has ended already is
// no error of its own.
func rollback(tx *sql.Tx) error {
	if err := tx.Rollback(); err != nil && !errors.Is(err, sql.ErrTxDone) {
		return fmt.Errorf("sqlitedb: rolling back: %v", err)
	}
	return nil
}

// wrap says what failed; a context that has ended is the cause a caller can act
// on, and the driver reports it in its own words.
func wrap(ctx context.Context, what string, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("sqlitedb: %s: %w", what, ctx.Err())
	}
	return fmt.Errorf("sqlitedb: %s: %v", what, err)
}

// Close closes the database and waits for what is running on it.
func (db *DB) Close() error {
	var anchored error
	if db.anchor != nil {
		anchored = db.anchor.Close()
	}
	return errors.Join(anchored, db.DB.Close())
}

// IsUnique reports whether err says that a row with the same primary key or
// unique value exists already.
func IsUnique(err error) bool {
	var e *sqlite.Error
	return errors.As(err, &e) &&
		(e.Code() == sqlite3.SQLITE_CONSTRAINT_UNIQUE || e.Code() == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY)
}
