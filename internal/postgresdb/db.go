package postgresdb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5/stdlib"
)

// DB is an open PostgreSQL database.
type DB struct {
	*sql.DB
	conns int // open at most
}

const (
	oldestServer = 13
	// Nobody waits for a connection that has been idle for longer.
	maxIdleTime = 5 * time.Minute
	// A transaction that lost a race so often will not win it.
	maxAttempts = 20
)

// Open connects to the database at address, which has the form
// postgres://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=…, and brings the tables of
// c up to date. What the address leaves out comes from where libpq looks too:
// PGPASSWORD, a password file and the like. The parameter pool_max_conns bounds
// the number of connections.
func Open(ctx context.Context, address string, c Component) (*DB, error) {
	return open(ctx, address, c, false)
}

// OpenToRead is Open for who changes nothing: the tables of c are there as this
// build knows them, or it fails, and so does Write.
func OpenToRead(ctx context.Context, address string, c Component) (*DB, error) {
	return open(ctx, address, c, true)
}

func open(ctx context.Context, address string, c Component, toRead bool) (*DB, error) {
	cfg, conns, err := parse(address)
	if err != nil {
		return nil, err
	}
	if toRead {
		cfg.RuntimeParams["default_transaction_read_only"] = "on"
	}
	db := &DB{DB: stdlib.OpenDB(*cfg), conns: conns}
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	db.SetConnMaxIdleTime(maxIdleTime)
	where := fmt.Sprintf("the database %q at %s", cfg.Database, cfg.Host)
	if err := db.check(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("opening %s: %w", where, err), db.Close())
	}
	if toRead {
		if err := db.holds(ctx, where, c); err != nil {
			return nil, errors.Join(err, db.Close())
		}
		return db, nil
	}
	if err := db.migrate(ctx, c); err != nil {
		return nil, errors.Join(fmt.Errorf("migrating the %s tables of %s: %w", c.Name, where, err), db.Close())
	}
	return db, nil
}

// check makes sure that the server can hold what the stores keep.
func (db *DB) check(ctx context.Context) error {
	const what = "connecting"
	var version int
	var name, encoding string
	if err := db.QueryRowContext(ctx, "SELECT current_setting('server_version_num')::int, current_setting('server_version'), current_setting('server_encoding')").Scan(&version, &name, &encoding); err != nil {
		return db.Failed(ctx, what, err)
	}
	return suits(version, name, encoding)
}

func suits(version int, name, encoding string) error {
	const what = "connecting"
	if version/10_000 < oldestServer {
		return &Error{What: what, Why: fmt.Sprintf("the server is PostgreSQL %s, and %d or newer is needed", name, oldestServer)}
	}
	if encoding != "UTF8" {
		return &Error{What: what, Why: fmt.Sprintf("the encoding of the database is %s: create one with createdb --encoding=UTF8 --template=template0", encoding)}
	}
	return nil
}

// Write runs fn in a transaction and commits if fn returns nil; otherwise nothing
// has happened, and Write returns fn's error unchanged. What fn reads may change
// before it is over unless fn locks it (SELECT … FOR UPDATE). Where the server
// gives the transaction up because of others, fn runs again, so it must have no
// effect but through tx.
func (db *DB) Write(ctx context.Context, fn func(tx *sql.Tx) error) error {
	for attempt := 1; ; attempt++ {
		err := db.transact(ctx, fn)
		if c := code(err); c != "40001" && c != "40P01" || attempt == maxAttempts {
			return err
		}
		select {
		case <-time.After(rand.N(time.Duration(attempt) * 2 * time.Millisecond)):
		case <-ctx.Done():
			return fmt.Errorf("postgresdb: trying a transaction again: %w", ctx.Err())
		}
	}
}

func (db *DB) transact(ctx context.Context, fn func(tx *sql.Tx) error) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return db.Failed(ctx, "starting a transaction", err)
	}
	defer func() { // also if fn panics
		if err := tx.Rollback(); err != nil && !errors.Is(err, sql.ErrTxDone) && ctx.Err() == nil {
			db.forget() // fn may have kept to itself that the connection was lost
		}
	}()
	if err := fn(tx); err != nil {
		return err
	}
	return db.Failed(ctx, "committing", tx.Commit())
}
