package postgres

import (
	"context"
	"database/sql"
	"time"

	"github.com/lakekey/lakekey/internal/postgresdb"
	"github.com/lakekey/lakekey/oidc/issuer"
)

// SessionByRefresh implements [issuer.Store]. One statement looks for both, so
// that a token that is replaced meanwhile is found as the one or the other.
func (s *Store) SessionByRefresh(ctx context.Context, refresh issuer.Hash) (*issuer.Session, error) {
	var replaced sql.NullInt64
	se, err := s.sessionAnd(ctx, []any{&replaced}, `
		SELECT body, ended, reason, jkt, NULL::bigint FROM issuer_sessions WHERE refresh = $1
		UNION ALL
		SELECT s.body, s.ended, s.reason, s.jkt, r.replaced FROM issuer_replaced r JOIN issuer_sessions s ON s.id = r.session WHERE r.refresh = $1`, refresh[:])
	if err == nil && replaced.Valid {
		se.Replaced = time.Unix(0, replaced.Int64)
	}
	return se, err
}

// ReplaceRefresh implements [issuer.Store]. One statement decides: of those that
// wait for it to be decided, each looks again and finds another token there.
func (s *Store) ReplaceRefresh(ctx context.Context, used, next issuer.Hash, at time.Time) error {
	const what = "replacing a refresh token"
	r, err := s.db.ExecContext(ctx, `
		WITH changed AS (UPDATE issuer_sessions SET refresh = $2 WHERE refresh = $1 AND ended IS NULL RETURNING id, expires)
		INSERT INTO issuer_replaced (refresh, session, replaced, expires) SELECT $1, id, $3, expires FROM changed`, used[:], next[:], at.UnixNano())
	if postgresdb.IsUnique(err) {
		return issuer.ErrTaken
	}
	if err != nil {
		return s.failed(ctx, what, err)
	}
	if n, err := r.RowsAffected(); err != nil || n == 1 {
		return s.failed(ctx, what, err)
	}
	return issuer.ErrTaken
}
