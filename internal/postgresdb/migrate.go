package postgresdb

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"fmt"
)

// Component is one owner of tables in a database. Its migrations are SQL scripts:
// the first makes version 1, and so on. A migration that has been released is
// never edited, only followed by another.
type Component struct {
	Name       string
	Migrations []string
}

const ledger = `CREATE TABLE IF NOT EXISTS lakekey_migrations (
	component text    NOT NULL,
	version   integer NOT NULL,
	sha256    text    NOT NULL,
	PRIMARY KEY (component, version)
)`

// ledgerLock is the advisory lock under which a database is migrated: the word
// lakekey in ASCII.
const ledgerLock int64 = 0x6c_61_6b_65_6b_65_79

// migrate applies what is missing in one transaction. Replicas that start together
// take turns, and all but the first find nothing to do. Where nothing is missing,
// the role needs no right to make tables.
func (db *DB) migrate(ctx context.Context, c Component) error {
	if applied, err := db.applied(ctx, db.DB, c); err != nil || applied == len(c.Migrations) {
		return err
	}
	return db.Write(ctx, func(tx *sql.Tx) error {
		exec := func(what, statement string, args ...any) error {
			_, err := tx.ExecContext(ctx, statement, args...)
			return db.Failed(ctx, what, err)
		}
		// It takes as long as it takes, the wait for another replica's too: ctx ends it.
		if err := exec("waiting for other replicas", "SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0"); err != nil {
			return err
		}
		if err := exec("waiting for other replicas", "SELECT pg_advisory_xact_lock($1)", ledgerLock); err != nil {
			return err
		}
		if err := exec("creating the list of migrations", ledger); err != nil {
			return err
		}
		applied, err := db.applied(ctx, tx, c)
		if err != nil {
			return err
		}
		for i := applied; i < len(c.Migrations); i++ {
			if err := exec(fmt.Sprintf("applying migration %d", i+1), c.Migrations[i]); err != nil {
				return err
			}
			if err := exec(fmt.Sprintf("recording migration %d", i+1), "INSERT INTO lakekey_migrations (component, version, sha256) VALUES ($1, $2, $3)",
				c.Name, i+1, digest(c.Migrations[i])); err != nil {
				return err
			}
		}
		return nil
	})
}

// holds makes sure that the tables of c are there.
func (db *DB) holds(ctx context.Context, where string, c Component) error {
	applied, err := db.applied(ctx, db.DB, c)
	switch {
	case err != nil:
		return fmt.Errorf("opening %s: %w", where, err)
	case applied == 0:
		return fmt.Errorf("postgresdb: %s holds no tables of %s: is it the right database?", where, c.Name)
	case applied < len(c.Migrations):
		return fmt.Errorf("postgresdb: the %s tables of %s are of an older lakekey, at version %d of %d: have the program that writes them open it first", c.Name, where, applied, len(c.Migrations))
	}
	return nil
}

type querier interface {
	QueryContext(ctx context.Context, statement string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, statement string, args ...any) *sql.Row
}

// applied counts what the database holds and makes sure that it is a beginning of
// what this build knows.
func (db *DB) applied(ctx context.Context, q querier, c Component) (n int, err error) {
	const what = "reading the list of migrations"
	var there bool
	if err := q.QueryRowContext(ctx, "SELECT to_regclass('lakekey_migrations') IS NOT NULL").Scan(&there); err != nil || !there {
		return 0, db.Failed(ctx, what, err)
	}
	rows, err := q.QueryContext(ctx, "SELECT version, sha256 FROM lakekey_migrations WHERE component = $1 ORDER BY version", c.Name)
	if err != nil {
		return 0, db.Failed(ctx, what, err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var version int
		var sum string
		if err := rows.Scan(&version, &sum); err != nil {
			return 0, db.Failed(ctx, what, err)
		}
		if n++; n > len(c.Migrations) {
			return 0, fmt.Errorf("postgresdb: the database is at version %d, this build knows up to %d: run the newer lakekey that made it", version, len(c.Migrations))
		}
		if version != n || sum != digest(c.Migrations[n-1]) {
			return 0, fmt.Errorf("postgresdb: migration %d in the database is not the one this build knows", version)
		}
	}
	return n, db.Failed(ctx, what, rows.Err())
}

func digest(script string) string {
	sum := sha256.Sum256([]byte(script))
	return hex.EncodeToString(sum[:])
}
