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
	"strconv"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// Memory is the path that opens a database that lives as long as its DB and is
// shared by nobody else.
const Memory = ":memory:"

// busyMillis bounds how long a statement waits for another process.
const busyMillis = 10_000

// DB is an open SQLite database. Reads go through the embedded sql.DB, changes
// through [DB.Write].
type DB struct {
	*sql.DB
	anchor *sql.Conn     // stays open: with the last connection go a database in memory and the journal of a file
	turn   chan struct{} // holds one token: the right to write
	writer *sql.DB       // the one connection that writes
	disk   *disk         // nil in memory
}

// Open opens the database at path, creating it with mode 0600 if there is none,
// and brings the tables of c up to date.
func Open(ctx context.Context, path string, c Component) (*DB, error) {
	path, err := resolve(path)
	if err != nil {
		return nil, err
	}
	db := &DB{turn: make(chan struct{}, 1)}
	db.turn <- struct{}{}
	if err := db.open(ctx, path, c); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

func (db *DB) open(ctx context.Context, path string, c Component) (err error) {
	read, write := dataSources(path)
	if db.DB, err = sql.Open("sqlite", read); err != nil {
		return fmt.Errorf("sqlitedb: opening %s: %v", path, err)
	}
	if db.writer, err = sql.Open("sqlite", write); err != nil {
		return fmt.Errorf("sqlitedb: opening %s: %v", path, err)
	}
	db.writer.SetMaxOpenConns(1)
	if db.anchor, err = db.Conn(ctx); err != nil {
		return wrap(ctx, "opening "+path, err)
	}
	// A connection is not in the journal before its first look at the file.
	if err := db.anchor.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_schema").Scan(new(int)); err != nil {
		return wrap(ctx, "opening "+path, err)
	}
	if path != Memory {
		if db.disk, err = openDisk(path + "-wal"); err != nil {
			return err
		}
	}
	if err := db.migrate(ctx, c); err != nil {
		return fmt.Errorf("sqlitedb: migrating the %s tables of %s: %w", c.Name, path, err)
	}
	return nil
}

// resolve returns the absolute path of the file, where its journal will lie too,
// and makes sure that it exists with mode 0600: SQLite would create it with the
// umask's, and gives the journal the same mode.
func resolve(path string) (string, error) {
	if path == "" {
		return "", errors.New("sqlitedb: the path is empty")
	}
	if path == Memory {
		return path, nil
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return "", fmt.Errorf("sqlitedb: %v", err)
	}
	if err := f.Close(); err != nil {
		return "", fmt.Errorf("sqlitedb: %v", err)
	}
	real, err := filepath.EvalSymlinks(path)
	if err == nil {
		real, err = filepath.Abs(real)
	}
	if err != nil {
		return "", fmt.Errorf("sqlitedb: resolving %s: %v", path, err)
	}
	return real, nil
}

// dataSources spells path as the URI filenames that the driver wants for the
// readers and the writer, so that a '?' or '%' in it is part of the name.
func dataSources(path string) (read, write string) {
	q := url.Values{
		"_busy_timeout": {strconv.Itoa(busyMillis)},
		"_foreign_keys": {"1"},
		"_txlock":       {"immediate"}, // a transaction that starts as a reader cannot become a writer without risking SQLITE_BUSY
	}
	if path == Memory {
		// The memdb VFS lets every connection see the one database, with locks like
		// a file's; "file::memory:" is another one per connection.
		q.Set("vfs", "memdb")
		dsn := "file:/" + rand.Text() + "?" + q.Encode()
		return dsn, dsn
	}
	q.Set("_journal_mode", "WAL")
	q.Set("_synchronous", "NORMAL") // see [disk]
	dsn := url.URL{Scheme: "file", OmitHost: true, Path: filepath.ToSlash(path), RawQuery: q.Encode()}
	read = dsn.String()
	q.Set("_busy_timeout", "0") // [DB.begin] waits, and looks more often than SQLite does
	dsn.RawQuery = q.Encode()
	return read, dsn.String()
}

// Write runs fn in one transaction that holds the write lock from its first
// statement, and commits if fn returns nil; otherwise nothing has happened and
// Write returns fn's error unchanged. fn must read through tx as well, and must
// not call Write.
func (db *DB) Write(ctx context.Context, fn func(tx *sql.Tx) error) error {
	commit, err := db.write(ctx, fn)
	if err != nil || db.disk == nil {
		return err
	}
	return db.disk.sync(commit)
}

// WriteBehind is Write without the wait for the disk. A power cut may undo the
// change, unless a later Write, of any DB on the file, has returned: commits
// reach the disk in their order. It is for what may be lost together with all
// that followed from it.
func (db *DB) WriteBehind(ctx context.Context, fn func(tx *sql.Tx) error) error {
	_, err := db.write(ctx, fn)
	return err
}

// write does the work that needs the right to write, and no waiting for the
// disk. It returns the number of its commit.
func (db *DB) write(ctx context.Context, fn func(tx *sql.Tx) error) (commit uint64, err error) {
	select {
	case <-db.turn:
	case <-ctx.Done():
		return 0, fmt.Errorf("sqlitedb: waiting to write: %w", ctx.Err())
	}
	defer func() { db.turn <- struct{}{} }()
	tx, err := db.begin(ctx)
	if err != nil {
		return 0, err
	}
	if err := fn(tx); err != nil {
		return 0, errors.Join(err, rollback(tx))
	}
	if err := tx.Commit(); err != nil {
		return 0, wrap(ctx, "committing", err)
	}
	if db.disk == nil {
		return 0, nil
	}
	return db.disk.committed(), nil
}

// begin starts a transaction once no other process, and no other DB of this one,
// is writing. A transaction takes some fifty microseconds; SQLite itself would
// look again after one, two, five, ten … milliseconds.
func (db *DB) begin(ctx context.Context) (*sql.Tx, error) {
	giveUp := time.Now().Add(busyMillis * time.Millisecond)
	for pause := 20 * time.Microsecond; ; pause = min(2*pause, 2*time.Millisecond) {
		tx, err := db.writer.BeginTx(ctx, nil)
		if err == nil {
			return tx, nil
		}
		var e *sqlite.Error
		if !errors.As(err, &e) || e.Code()&0xff != sqlite3.SQLITE_BUSY || time.Now().After(giveUp) {
			return nil, wrap(ctx, "starting a transaction", err)
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil, fmt.Errorf("sqlitedb: waiting to write: %w", ctx.Err())
		}
	}
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
	var errs []error
	if db.anchor != nil {
		errs = append(errs, db.anchor.Close())
	}
	if db.writer != nil {
		errs = append(errs, db.writer.Close())
	}
	if db.DB != nil {
		errs = append(errs, db.DB.Close())
	}
	if db.disk != nil {
		errs = append(errs, db.disk.close())
	}
	return errors.Join(errs...)
}

// IsUnique reports whether err says that a row with the same primary key or
// unique value exists already.
func IsUnique(err error) bool {
	var e *sqlite.Error
	return errors.As(err, &e) &&
		(e.Code() == sqlite3.SQLITE_CONSTRAINT_UNIQUE || e.Code() == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY)
}
