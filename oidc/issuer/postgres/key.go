package postgres

import (
	"context"
	"database/sql"
	"time"

	"github.com/lakekey/lakekey/internal/postgresdb"
	"github.com/lakekey/lakekey/internal/secret"
	"github.com/lakekey/lakekey/oidc/issuer"
)

// Keys implements [issuer.Store].
func (s *Store) Keys(ctx context.Context) (keys []issuer.Key, err error) {
	const what = "reading the signing keys"
	rows, err := s.db.QueryContext(ctx, `SELECT kid, public, pkcs8, created, signs_from, revoked, reason FROM issuer_keys ORDER BY seq`)
	if err != nil {
		return nil, s.failed(ctx, what, err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var k issuer.Key
		var pkcs8 []byte
		var created, from int64
		var revoked sql.NullInt64
		if err := rows.Scan(&k.ID, &k.Public, &pkcs8, &created, &from, &revoked, &k.RevokeReason); err != nil {
			return nil, s.failed(ctx, what, err)
		}
		k.Created, k.SignsFrom = time.Unix(0, created), time.Unix(0, from)
		if len(pkcs8) > 0 {
			k.PKCS8 = secret.New(string(pkcs8))
		}
		if revoked.Valid {
			k.Revoked = time.Unix(0, revoked.Int64)
		}
		keys = append(keys, k)
	}
	return keys, s.failed(ctx, what, rows.Err())
}

// AddKey implements [issuer.Store].
func (s *Store) AddKey(ctx context.Context, k issuer.Key, after string) error {
	const what = "adding a signing key"
	return s.db.Write(ctx, func(tx *sql.Tx) error {
		// Whoever else adds one waits here, and then finds this one to be the newest.
		if _, err := tx.ExecContext(ctx, `LOCK TABLE issuer_keys IN SHARE ROW EXCLUSIVE MODE`); err != nil {
			return s.failed(ctx, "waiting for other replicas", err)
		}
		res, err := tx.ExecContext(ctx, `INSERT INTO issuer_keys (kid, public, pkcs8, created, signs_from) SELECT $1, $2, $3, $4, $5
			WHERE coalesce((SELECT kid FROM issuer_keys ORDER BY seq DESC LIMIT 1), '') = $6`,
			k.ID, k.Public, []byte(k.PKCS8.Reveal()), k.Created.UnixNano(), k.SignsFrom.UnixNano(), after)
		if postgresdb.IsUnique(err) {
			return issuer.ErrTaken
		}
		if err != nil {
			return s.failed(ctx, what, err)
		}
		if n, err := res.RowsAffected(); err != nil || n == 1 {
			return s.failed(ctx, what, err)
		}
		return issuer.ErrTaken
	})
}

// RevokeKey implements [issuer.Store].
func (s *Store) RevokeKey(ctx context.Context, id, reason string, at time.Time) (bool, error) {
	const what = "revoking a signing key"
	res, err := s.db.ExecContext(ctx, `UPDATE issuer_keys SET revoked = $1, reason = $2, pkcs8 = '' WHERE kid = $3 AND revoked IS NULL`, at.UnixNano(), reason, id)
	if err != nil {
		return false, s.failed(ctx, what, err)
	}
	if n, err := res.RowsAffected(); err != nil || n == 1 {
		return n == 1, s.failed(ctx, what, err)
	}
	err = s.db.QueryRowContext(ctx, `SELECT 1 FROM issuer_keys WHERE kid = $1`, id).Scan(new(int))
	return false, s.failed(ctx, what, err)
}
