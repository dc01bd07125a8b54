package provider

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/lakekey/lakekey/fido"
	"github.com/lakekey/lakekey/oidc/issuer"
)

// database holds the stores of the two stages that keep something. They share one
// file, or one database.
type database struct {
	fido    fido.Store
	issuer  issuer.Store
	home    home // nil in memory
	closers []func() error
}

// home is what the provider itself keeps beside its stages' tables: its URL, so
// that an invitation made by another process points to it.
type home interface {
	keep(ctx context.Context, url string) error
	url(ctx context.Context) (string, error) // errNoHome: none was kept
}

var errNoHome = errors.New("no provider has run on this -db yet, so the link would lead nowhere: start idp with it first")

// openDatabase opens what dsn names. Its errors do not repeat it: it may hold a
// password.
func openDatabase(ctx context.Context, dsn string) (*database, error) {
	kind, rest, _ := strings.Cut(dsn, ":")
	db := &database{}
	var err error
	switch {
	case dsn == "memory:":
		db.fido, db.issuer = fido.NewMemoryStore(), issuer.NewMemoryStore()
	case kind == "sqlite" && rest != "":
		err = db.openSQLite(ctx, rest)
	case kind == "postgres" || kind == "postgresql":
		err = db.openPostgreSQL(ctx, dsn)
	default:
		return nil, fmt.Errorf("-db %s:…: must be memory:, sqlite:FILE or postgres://USER@HOST/DATABASE", kind)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("-db: %w", err), db.Close())
	}
	return db, nil
}

// openRunning opens the database of a provider that has run on it.
func openRunning(ctx context.Context, dsn string) (*database, error) {
	if file, ok := strings.CutPrefix(dsn, "sqlite:"); ok {
		// Opening would make it.
		if _, err := os.Stat(file); err != nil {
			return nil, fmt.Errorf("-db %s: %v; give the -db of the running provider", dsn, err)
		}
	}
	return openDatabase(ctx, dsn)
}

// keepURL remembers where the provider is reached.
func (d *database) keepURL(ctx context.Context, url string) error {
	if d.home == nil {
		return nil
	}
	if err := d.home.keep(ctx, url); err != nil {
		return fmt.Errorf("keeping the provider's URL: %w", err)
	}
	return nil
}

// url is where the provider that keeps its keys here is reached.
func (d *database) url(ctx context.Context) (string, error) {
	if d.home == nil {
		return "", errors.New("-db memory: lives inside the running provider, so nobody can be invited from outside; run the provider with -db sqlite:FILE")
	}
	url, err := d.home.url(ctx)
	if err != nil && !errors.Is(err, errNoHome) {
		return "", fmt.Errorf("reading the provider's URL: %w", err)
	}
	return url, err
}

func (d *database) Close() error {
	var err error
	for _, f := range d.closers {
		err = errors.Join(err, f())
	}
	d.closers = nil
	return err
}
