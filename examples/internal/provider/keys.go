package provider

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/lakekey/lakekey/oidc/issuer"
)

// Keyring opens the signing keys of the provider that runs on dsn, from outside it.
// Its replicas follow what is changed, and record it. Close it when done.
func Keyring(ctx context.Context, dsn string) (_ *issuer.Keyring, closed func() error, err error) {
	if dsn == "memory:" {
		return nil, nil, errors.New("-db memory: lives inside the running provider, so its keys cannot be looked after from outside; run the provider with -db sqlite:FILE")
	}
	db, err := openRunning(ctx, dsn)
	if err != nil {
		return nil, nil, err
	}
	if _, err := db.url(ctx); err != nil {
		return nil, nil, errors.Join(err, db.Close())
	}
	ring, err := issuer.OpenKeyring(db.issuer, issuer.KeyConfig{}, nil)
	if err != nil {
		return nil, nil, errors.Join(err, db.Close())
	}
	return ring, db.Close, nil
}

// Succession picks, out of all keys, the one that signs and the one that waits to take
// over; nil: there is none.
func Succession(all []issuer.KeyState) (signing, next *issuer.KeyState) {
	for n := range all {
		switch all[n].Status {
		case issuer.KeySigning:
			signing = &all[n]
		case issuer.KeyNext:
			next = &all[n]
		}
	}
	return signing, next
}

// signing says how the issuer signs.
func signing(cfg Config) (issuer.KeyConfig, error) {
	keys := issuer.KeyConfig{Algorithm: cfg.SigningAlgorithm}
	if cfg.SigningKeys == "" {
		return keys, nil
	}
	file, err := os.ReadFile(cfg.SigningKeys)
	if err != nil {
		return keys, fmt.Errorf("-signing-keys: %v", err)
	}
	if keys.Signers, err = issuer.ParseSigners(file); err != nil {
		return keys, fmt.Errorf("-signing-keys %s: %w", cfg.SigningKeys, err)
	}
	return keys, nil
}
