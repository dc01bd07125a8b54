package provider

import (
	"context"
	"database/sql"
	"errors"

	"github.com/lakekey/lakekey/fido/sqlite"
	"github.com/lakekey/lakekey/internal/sqlitedb"
	issuersqlite "github.com/lakekey/lakekey/oidc/issuer/sqlite"
)

func (d *database) openSQLite(ctx context.Context, file string) error {
	people, err := sqlite.Open(ctx, file)
	if err != nil {
		return err
	}
	d.fido, d.closers = people, append(d.closers, people.Close)
	sessions, err := issuersqlite.Open(ctx, file)
	if err != nil {
		return err
	}
	d.issuer, d.closers = sessions, append(d.closers, sessions.Close)
	own, err := sqlitedb.Open(ctx, file, sqlitedb.Component{Name: "provider", Migrations: []string{
		`CREATE TABLE provider (id INTEGER PRIMARY KEY CHECK (id = 1), url TEXT NOT NULL) STRICT`,
	}})
	if err != nil {
		return err
	}
	d.home, d.closers = sqliteHome{own}, append(d.closers, own.Close)
	return nil
}

type sqliteHome struct{ db *sqlitedb.DB }

func (h sqliteHome) keep(ctx context.Context, url string) error {
	return h.db.Write(ctx, func(tx *sqlitedb.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO provider VALUES (1, ?) ON CONFLICT (id) DO UPDATE SET url = excluded.url`, url)
		return err
	})
}

func (h sqliteHome) url(ctx context.Context) (url string, err error) {
	err = h.db.QueryRowContext(ctx, `SELECT url FROM provider`).Scan(&url)
	if errors.Is(err, sql.ErrNoRows) {
		return "", errNoHome
	}
	return url, err
}
