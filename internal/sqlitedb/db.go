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
	"sync"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// Memory is the path that opens a database that lives as long as its DB and is
// shared by nobody else.
const Memory = ":memory:"

// busyMillis bounds how long a statement waits for another process.
const busyMillis = 10_000

// maxIdle is how many connections that read stay open between reads.
const maxIdle = 8

// DB is an open SQLite database. Reads go through the embedded sql.DB, changes
// through [DB.Write].
type DB struct {
	*sql.DB
	statements sync.Map // *sql.Stmt of the embedded DB, by their text
	group      group
	disk       *disk // nil in memory
}

// Open opens the database at path, creating it with mode 0600 if there is none,
// and brings the tables of c up to date.
func Open(ctx context.Context, path string, c Component) (*DB, error) {
	path, err := resolve(path)
	if err != nil {
		return nil, err
	}
	db := &DB{group: group{statements: map[string]*sql.Stmt{}, turn: make(chan struct{}, 1)}}
	db.group.turn <- struct{}{}
	if err := db.open(ctx, path, c); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

func (db *DB) open(ctx context.Context, path string, c Component) (err error) {
	if db.DB, err = sql.Open("sqlite", dataSource(path)); err != nil {
		return fmt.Errorf("sqlitedb: opening %s: %v", path, err)
	}
	db.SetMaxIdleConns(maxIdle)
	// Of several that open a new file at once, one makes it a database with a
	// journal; what SQLite tells the others is that it is busy, and at once.
	err = whileBusy(ctx, func() error {
		db.group.conn, err = db.Conn(ctx)
		return err
	})
	if err != nil {
		return wrap(ctx, "opening "+path, err)
	}
	// A connection is not in the journal before its first look at the file.
	if err := whileBusy(ctx, func() error {
		return db.group.conn.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_schema").Scan(new(int))
	}); err != nil {
		return wrap(ctx, "opening "+path, err)
	}
	if path != Memory {
		if err := db.group.exec("PRAGMA busy_timeout = 0"); err != nil { // see [whileBusy]
			return wrap(ctx, "opening "+path, err)
		}
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
	return realPath(path)
}

func realPath(path string) (string, error) {
	real, err := filepath.EvalSymlinks(path)
	if err == nil {
		real, err = filepath.Abs(real)
	}
	if err != nil {
		return "", fmt.Errorf("sqlitedb: resolving %s: %v", path, err)
	}
	return real, nil
}

// dataSource spells path as the URI filename that the driver wants, so that a
// '?' or '%' in it is part of the name.
func dataSource(path string) string {
	q := url.Values{
		"_busy_timeout": {strconv.Itoa(busyMillis)},
		"_foreign_keys": {"1"},
	}
	if path == Memory {
		// The memdb VFS lets every connection see the one database, with locks like
		// a file's; "file::memory:" is another one per connection.
		q.Set("vfs", "memdb")
		return "file:/" + rand.Text() + "?" + q.Encode()
	}
	q.Set("_journal_mode", "WAL")
	q.Set("_synchronous", "NORMAL") // see [disk]
	return fileSource(path, q)
}

// readSource is a dataSource for who only reads.
func readSource(path string) string {
	return fileSource(path, url.Values{"_busy_timeout": {strconv.Itoa(busyMillis)}, "mode": {"ro"}, "_pragma": {"query_only(1)"}})
}

func fileSource(path string, q url.Values) string {
	dsn := url.URL{Scheme: "file", OmitHost: true, Path: filepath.ToSlash(path), RawQuery: q.Encode()}
	return dsn.String()
}

// prepared keeps the statements of reads prepared. They must be constants.
func (db *DB) prepared(ctx context.Context, statement string) (*sql.Stmt, error) {
	if s, ok := db.statements.Load(statement); ok {
		return s.(*sql.Stmt), nil
	}
	s, err := db.DB.PrepareContext(ctx, statement)
	if err != nil {
		return nil, err
	}
	if kept, loaded := db.statements.LoadOrStore(statement, s); loaded {
		return kept.(*sql.Stmt), s.Close()
	}
	return s, nil
}

// QueryContext is that of [sql.DB] for a statement that is a constant.
func (db *DB) QueryContext(ctx context.Context, statement string, args ...any) (*sql.Rows, error) {
	s, err := db.prepared(ctx, statement)
	if err != nil {
		return nil, err
	}
	return s.QueryContext(ctx, args...)
}

// QueryRowContext is that of [sql.DB] for a statement that is a constant.
func (db *DB) QueryRowContext(ctx context.Context, statement string, args ...any) *sql.Row {
	s, err := db.prepared(ctx, statement)
	if err != nil { // a Row with this error only the database can make
		return db.DB.QueryRowContext(ctx, statement, args...)
	}
	return s.QueryRowContext(ctx, args...)
}

// Write runs fn in a transaction that holds the write lock from its first
// statement, and commits if fn returns nil; otherwise nothing has happened and
// Write returns fn's error unchanged. fn must read through tx as well, and must
// not call Write. It may run on the goroutine of another call, whose changes the
// transaction then holds too.
func (db *DB) Write(ctx context.Context, fn func(tx *Tx) error) error {
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
func (db *DB) WriteBehind(ctx context.Context, fn func(tx *Tx) error) error {
	_, err := db.write(ctx, fn)
	return err
}

// whileBusy tries again for as long as another process, or another DB of this
// one, is in the way. SQLite itself would look again after one, two, five, ten …
// milliseconds, and sometimes not at all; most transactions are shorter.
func whileBusy(ctx context.Context, try func() error) error {
	giveUp := time.Now().Add(busyMillis * time.Millisecond)
	for pause := 20 * time.Microsecond; ; pause = min(2*pause, 2*time.Millisecond) {
		err := try()
		var e *sqlite.Error
		if !errors.As(err, &e) || e.Code()&0xff != sqlite3.SQLITE_BUSY || time.Now().After(giveUp) {
			return err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
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
	if db.group.conn != nil {
		errs = append(errs, db.group.conn.Close())
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
