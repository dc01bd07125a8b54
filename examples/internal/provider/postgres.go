package provider

import (
	"context"
	"database/sql"
	"errors"

	"github.com/lakekey/lakekey/fido/postgres"
	"github.com/lakekey/lakekey/internal/postgresdb"
	issuerpostgres "github.com/lakekey/lakekey/oidc/issuer/postgres"
)

func (d *database) openPostgreSQL(ctx context.Context, address string) error {
	people, err := postgres.Open(ctx, address)
	if err != nil {
		return err
	}
	d.fido, d.closers = people, append(d.closers, people.Close)
	sessions, err := issuerpostgres.Open(ctx, address)
	if err != nil {
		return err
	}
	d.issuer, d.closers = sessions, append(d.closers, sessions.Close)
	own, err := postgresdb.Open(ctx, address, postgresdb.Component{Name: "provider", Migrations: []string{
		`CREATE TABLE provider (id integer PRIMARY KEY CHECK (id = 1), url text NOT NULL)`,
	}})
	if err != nil {
		return err
	}
	d.home, d.closers = postgresHome{own}, append(d.closers, own.Close)
	return nil
}

type postgresHome struct{ db *postgresdb.DB }

func (h postgresHome) keep(ctx context.Context, url string) error {
	_, err := h.db.ExecContext(ctx, `INSERT INTO provider VALUES (1, $1) ON CONFLICT (id) DO UPDATE SET url = excluded.url`, url)
	return h.db.Failed(ctx, "adding a row", err)
}

func (h postgresHome) url(ctx context.Context) (url string, err error) {
	err = h.db.QueryRowContext(ctx, `SELECT url FROM provider`).Scan(&url)
	if errors.Is(err, sql.ErrNoRows) {
		return "", errNoHome
	}
	return url, h.db.Failed(ctx, "reading a row", err)
}
