package sqlitedb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
)

var errReadOnly = errors.New("sqlitedb: the database was opened to be read")

// OpenToRead opens the database at path and changes nothing: there is a file, and
// it holds the tables of c as this build knows them, or it fails. Write does, too.
// Where a journal lies beside the file, SQLite wants to write to the folder.
func OpenToRead(ctx context.Context, path string, c Component) (*DB, error) {
	if _, err := os.Stat(path); err != nil { // resolve would make one
		return nil, fmt.Errorf("sqlitedb: %v", err)
	}
	path, err := realPath(path)
	if err != nil {
		return nil, err
	}
	db := &DB{}
	if db.DB, err = sql.Open("sqlite", readSource(path)); err != nil {
		return nil, fmt.Errorf("sqlitedb: opening %s: %v", path, err)
	}
	if err := db.holds(ctx, path, c); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// holds makes sure that the tables of c are there.
func (db *DB) holds(ctx context.Context, path string, c Component) error {
	var ledgers int
	err := whileBusy(ctx, func() error {
		return db.DB.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'lakekey_migrations'").Scan(&ledgers)
	})
	if err != nil {
		return wrap(ctx, "reading "+path, err)
	}
	applied := 0
	if ledgers > 0 {
		if applied, err = appliedMigrations(ctx, db.DB, c); err != nil {
			return err
		}
	}
	switch {
	case applied == 0:
		return fmt.Errorf("sqlitedb: %s holds no tables of %s: is it the right file?", path, c.Name)
	case applied < len(c.Migrations):
		return fmt.Errorf("sqlitedb: the %s tables of %s are of an older lakekey, at version %d of %d: have the program that writes them open it first", c.Name, path, applied, len(c.Migrations))
	}
	return nil
}
