package provider

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/lakekey/lakekey/fido"
	fidosqlite "github.com/lakekey/lakekey/fido/sqlite"
	"github.com/lakekey/lakekey/internal/sqlitedb"
	"github.com/lakekey/lakekey/oidc/issuer"
	issuersqlite "github.com/lakekey/lakekey/oidc/issuer/sqlite"
)

// own is what the provider itself keeps beside its stages' tables: its URL, so
// that an invitation made by another process points to it.
var own = sqlitedb.Component{Name: "provider", Migrations: []string{
	`CREATE TABLE provider (id INTEGER PRIMARY KEY CHECK (id = 1), url TEXT NOT NULL) STRICT`,
}}

// database holds the stores of the two stages that keep something. On SQLite
// both share one file.
type database struct {
	fido    fido.Store
	issuer  issuer.Store
	own     *sqlitedb.DB // nil in memory
	closers []func() error
}

func openDatabase(ctx context.Context, dsn string) (*database, error) {
	kind, file, _ := strings.Cut(dsn, ":")
	switch {
	case dsn == "memory:":
		return &database{fido: fido.NewMemoryStore(), issuer: issuer.NewMemoryStore()}, nil
	case kind == "sqlite" && file != "":
	default:
		return nil, fmt.Errorf("-db %q: must be memory: or sqlite:FILE", dsn)
	}
	db := &database{}
	people, err := fidosqlite.Open(ctx, file)
	if err != nil {
		return nil, fmt.Errorf("-db %s: %w", dsn, err)
	}
	db.fido, db.closers = people, append(db.closers, people.Close)
	sessions, err := issuersqlite.Open(ctx, file)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("-db %s: %w", dsn, err), db.Close())
	}
	db.issuer, db.closers = sessions, append(db.closers, sessions.Close)
	if db.own, err = sqlitedb.Open(ctx, file, own); err != nil {
		return nil, errors.Join(fmt.Errorf("-db %s: %w", dsn, err), db.Close())
	}
	db.closers = append(db.closers, db.own.Close)
	return db, nil
}

// keepURL remembers where the provider is reached.
func (d *database) keepURL(ctx context.Context, url string) error {
	if d.own == nil {
		return nil
	}
	return d.own.Write(ctx, func(tx *sqlitedb.Tx) error {
		if _, err := tx.ExecContext(ctx, `INSERT INTO provider VALUES (1, ?) ON CONFLICT (id) DO UPDATE SET url = excluded.url`, url); err != nil {
			return fmt.Errorf("keeping the provider's URL: %v", err)
		}
		return nil
	})
}

// url is where the provider that keeps its keys here is reached.
func (d *database) url(ctx context.Context) (string, error) {
	if d.own == nil {
		return "", errors.New("-db memory: lives inside the running provider, so nobody can be invited from outside; run the provider with -db sqlite:FILE")
	}
	var url string
	err := d.own.QueryRowContext(ctx, `SELECT url FROM provider`).Scan(&url)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return "", errors.New("no provider has run on this -db yet, so the link would lead nowhere: start idp with it first")
	case err != nil:
		return "", fmt.Errorf("reading the provider's URL: %v", err)
	}
	return url, nil
}

func (d *database) Close() error {
	var err error
	for _, f := range d.closers {
		err = errors.Join(err, f())
	}
	d.closers = nil
	return err
}
