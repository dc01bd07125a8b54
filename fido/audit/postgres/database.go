package postgres

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/lakekey/lakekey/fido/audit"
	"github.com/lakekey/lakekey/internal/postgresdb"
)

// Database is a PostgreSQL database that can hold a log. It is safe for
// concurrent use.
type Database struct{ db *postgresdb.DB }

var _ audit.Database = (*Database)(nil)

var tables = postgresdb.Component{Name: "audit", Migrations: []string{`
CREATE TABLE audit_records (
	seq  bigint PRIMARY KEY,
	line bytea NOT NULL
);
CREATE TABLE audit_head (
	one        integer PRIMARY KEY CHECK (one = 1),
	turns      bigint NOT NULL,
	size       bigint NOT NULL,
	peaks      bytea NOT NULL,
	checkpoint bytea NOT NULL
);
`}}

// Open connects to the database at address, a URL such as
// postgres://USER@HOST/DATABASE, and brings its tables up to date.
func Open(ctx context.Context, address string) (*Database, error) {
	db, err := postgresdb.Open(ctx, address, tables)
	if err != nil {
		return nil, fmt.Errorf("opening the database of the audit log: %w", err)
	}
	return &Database{db}, nil
}

// OpenToRead connects to a database that holds a log, for [audit.VerifySQL] and the
// like. It changes nothing, needs a role that may read the two tables and the list of
// migrations, and fails where there is no log.
func OpenToRead(ctx context.Context, address string) (*Database, error) {
	db, err := postgresdb.OpenToRead(ctx, address, tables)
	if err != nil {
		return nil, fmt.Errorf("opening the database of the audit log to read: %w", err)
	}
	return &Database{db}, nil
}

// Update implements [audit.Database].
func (d *Database) Update(ctx context.Context, fn func(audit.Tx) error) error {
	return d.db.Write(ctx, func(tx *sql.Tx) error { return fn(tx) })
}

// QueryContext implements [audit.Database].
func (d *Database) QueryContext(ctx context.Context, statement string, args ...any) (*sql.Rows, error) {
	rows, err := d.db.QueryContext(ctx, statement, args...)
	return rows, d.db.Failed(ctx, "reading the audit log", err)
}

// Close implements [audit.Database].
func (d *Database) Close() error { return d.db.Close() }
