package sqlite

import (
	"context"
	"database/sql"
	"time"

	"github.com/lakekey/lakekey/internal/secret"
	"github.com/lakekey/lakekey/internal/sqlitedb"
	"github.com/lakekey/lakekey/oidc/issuer"
)

// Keys implements [issuer.Store].
func (s *Store) Keys(ctx context.Context) (keys []issuer.Key, err error) {
	const what = "reading the signing keys"
	rows, err := s.db.QueryContext(ctx, `SELECT kid, public, pkcs8, created, signs_from, revoked, reason FROM issuer_keys ORDER BY seq`)
	if err != nil {
		return nil, wrap(what, err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var k issuer.Key
		var pkcs8 []byte
		var created, from int64
		var revoked sql.NullInt64
		if err := rows.Scan(&k.ID, &k.Public, &pkcs8, &created, &from, &revoked, &k.RevokeReason); err != nil {
			return nil, wrap(what, err)
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
	if err := rows.Err(); err != nil {
		return nil, wrap(what, err)
	}
	return keys, nil
}

// AddKey implements [issuer.Store].
func (s *Store) AddKey(ctx context.Context, k issuer.Key, after string) error {
	const what = "adding a signing key"
	return s.db.Write(ctx, func(tx *sqlitedb.Tx) error {
		res, err := tx.ExecContext(ctx, `INSERT INTO issuer_keys (kid, public, pkcs8, created, signs_from) SELECT ?, ?, ?, ?, ?
			WHERE coalesce((SELECT kid FROM issuer_keys ORDER BY seq DESC LIMIT 1), '') = ?`,
			k.ID, k.Public, []byte(k.PKCS8.Reveal()), k.Created.UnixNano(), k.SignsFrom.UnixNano(), after)
		if sqlitedb.IsUnique(err) {
			return issuer.ErrTaken
		}
		if err != nil {
			return wrap(what, err)
		}
		n, err := res.RowsAffected()
		if err != nil {
			return wrap(what, err)
		}
		if n == 0 {
			return issuer.ErrTaken
		}
		return nil
	})
}

// RevokeKey implements [issuer.Store].
func (s *Store) RevokeKey(ctx context.Context, id, reason string, at time.Time) (revoked bool, err error) {
	const what = "revoking a signing key"
	err = s.db.Write(ctx, func(tx *sqlitedb.Tx) error {
		res, err := tx.ExecContext(ctx, `UPDATE issuer_keys SET revoked = ?, reason = ?, pkcs8 = x'' WHERE kid = ? AND revoked IS NULL`, at.UnixNano(), reason, id)
		if err != nil {
			return wrap(what, err)
		}
		n, err := res.RowsAffected()
		if err != nil {
			return wrap(what, err)
		}
		if revoked = n == 1; revoked {
			return nil
		}
		return notFound(what, tx.QueryRowContext(ctx, `SELECT 1 FROM issuer_keys WHERE kid = ?`, id).Scan(new(int)))
	})
	return revoked, err
}
