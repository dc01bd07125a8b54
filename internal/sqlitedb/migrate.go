package sqlitedb

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"fmt"
)

// Component is one owner of tables in a file. Its migrations are SQL scripts:
// the first makes version 1, and so on. A migration that has been released is
// never edited, only followed by another.
type Component struct {
	Name       string
	Migrations []string
}

const ledger = `CREATE TABLE IF NOT EXISTS lakekey_migrations (
	component TEXT    NOT NULL,
	version   INTEGER NOT NULL,
	sha256    TEXT    NOT NULL,
	PRIMARY KEY (component, version)
) STRICT, WITHOUT ROWID`

// migrate applies what is missing in one transaction: two processes that start
// together take turns, and the second finds nothing to do.
func (db *DB) migrate(ctx context.Context, c Component) error {
	return db.Write(ctx, func(tx *Tx) error {
		if _, err := tx.ExecContext(ctx, ledger); err != nil {
			return wrap(ctx, "creating the list of migrations", err)
		}
		applied, err := appliedMigrations(ctx, tx, c)
		if err != nil {
			return err
		}
		for i := applied; i < len(c.Migrations); i++ {
			if err := tx.script(ctx, c.Migrations[i]); err != nil {
				return wrap(ctx, fmt.Sprintf("applying migration %d", i+1), err)
			}
			if _, err := tx.ExecContext(ctx, "INSERT INTO lakekey_migrations (component, version, sha256) VALUES (?, ?, ?)",
				c.Name, i+1, digest(c.Migrations[i])); err != nil {
				return wrap(ctx, fmt.Sprintf("recording migration %d", i+1), err)
			}
		}
		return nil
	})
}

type querier interface {
	QueryContext(ctx context.Context, statement string, args ...any) (*sql.Rows, error)
}

// appliedMigrations counts what the file holds and makes sure that it is a
// beginning of what this build knows.
func appliedMigrations(ctx context.Context, tx querier, c Component) (int, error) {
	rows, err := tx.QueryContext(ctx, "SELECT version, sha256 FROM lakekey_migrations WHERE component = ? ORDER BY version", c.Name)
	if err != nil {
		return 0, wrap(ctx, "reading the list of migrations", err)
	}
	defer func() { _ = rows.Close() }()
	n := 0
	for rows.Next() {
		var version int
		var sum string
		if err := rows.Scan(&version, &sum); err != nil {
			return 0, wrap(ctx, "reading the list of migrations", err)
		}
		if n++; n > len(c.Migrations) {
			return 0, fmt.Errorf("sqlitedb: the file is at version %d, this build knows up to %d: run the newer lakekey that made it", version, len(c.Migrations))
		}
		if version != n || sum != digest(c.Migrations[n-1]) {
			return 0, fmt.Errorf("sqlitedb: migration %d in the file is not the one this build knows", version)
		}
	}
	if err := rows.Err(); err != nil {
		return 0, wrap(ctx, "reading the list of migrations", err)
	}
	return n, nil
}

func digest(script string) string {
	sum := sha256.Sum256([]byte(script))
	return hex.EncodeToString(sum[:])
}
