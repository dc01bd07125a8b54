package sqlite

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/lakekey/lakekey/fido/audit"
	"github.com/lakekey/lakekey/internal/sqlitedb"
)

// Database is an SQLite file that can hold a log. It is safe for concurrent use.
type Database struct{ db *sqlitedb.DB }

var _ audit.Database = (*Database)(nil)

var tables = sqlitedb.Component{Name: "audit", Migrations: []string{`
CREATE TABLE audit_records (
	seq  INTEGER PRIMARY KEY,
	line BLOB NOT NULL
) STRICT;
CREATE TABLE audit_head (
	one        INTEGER PRIMARY KEY CHECK (one = 1),
	turns      INTEGER NOT NULL,
	size       INTEGER NOT NULL,
	peaks      BLOB NOT NULL,
	checkpoint BLOB NOT NULL
) STRICT;
`}}

// Open opens the file at path, or a database in memory for ":memory:", and
// brings its tables up to date.
func Open(ctx context.Context, path string) (*Database, error) {
	db, err := sqlitedb.Open(ctx, path, tables)
	if err != nil {
		return nil, fmt.Errorf("opening the database of the audit log: %w", err)
	}
	return &Database{db}, nil
}

// OpenToRead opens a file that holds a log, for [audit.VerifySQL] and the like. It
// changes nothing, and fails where there is no log.
func OpenToRead(ctx context.Context, path string) (*Database, error) {
	db, err := sqlitedb.OpenToRead(ctx, path, tables)
	if err != nil {
		return nil, fmt.Errorf("opening the database of the audit log to read: %w", err)
	}
	return &Database{db}, nil
}

// Update implements [audit.Database].
func (d *Database) Update(ctx context.Context, fn func(audit.Tx) error) error {
	return d.db.Write(ctx, func(tx *sqlitedb.Tx) error { return fn(tx) })
}

// QueryContext implements [audit.Database].
func (d *Database) QueryContext(ctx context.Context, statement string, args ...any) (*sql.Rows, error) {
	return d.db.QueryContext(ctx, statement, args...)
}

// Close implements [audit.Database].
func (d *Database) Close() error { return d.db.Close() }
