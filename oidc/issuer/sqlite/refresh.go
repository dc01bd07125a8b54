package sqlite

import (
	"context"
	"database/sql"
	"time"

	"github.com/lakekey/lakekey/internal/sqlitedb"
	"github.com/lakekey/lakekey/oidc/issuer"
)

// SessionByRefresh implements [issuer.Store]. One statement looks for both, so
// that a token that is replaced meanwhile is found as the one or the other.
func (s *Store) SessionByRefresh(ctx context.Context, refresh issuer.Hash) (*issuer.Session, error) {
	var replaced sql.NullInt64
	se, err := scanSession(s.db.QueryRowContext(ctx, `
		SELECT body, ended, reason, jkt, NULL FROM issuer_sessions WHERE refresh = ?1
		UNION ALL
		SELECT s.body, s.ended, s.reason, s.jkt, r.replaced FROM issuer_replaced r JOIN issuer_sessions s ON s.id = r.session WHERE r.refresh = ?1`, refresh[:]), &replaced)
	if err == nil && replaced.Valid {
		se.Replaced = time.Unix(0, replaced.Int64)
	}
	return se, err
}

// ReplaceRefresh implements [issuer.Store]. It waits for the disk: the client is
// given the new token, and must be able to use it after a power cut.
func (s *Store) ReplaceRefresh(ctx context.Context, used, next issuer.Hash, at time.Time) error {
	const what = "replacing a refresh token"
	return s.db.Write(ctx, func(tx *sqlitedb.Tx) error {
		var session string
		var expires int64
		err := tx.QueryRowContext(ctx, `UPDATE issuer_sessions SET refresh = ? WHERE refresh = ? AND ended IS NULL RETURNING id, expires`, next[:], used[:]).Scan(&session, &expires)
		switch {
		case err == sql.ErrNoRows || sqlitedb.IsUnique(err):
			return issuer.ErrTaken
		case err != nil:
			return wrap(what, err)
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO issuer_replaced (refresh, session, replaced, expires) VALUES (?, ?, ?, ?)`, used[:], session, at.UnixNano(), expires); err != nil {
			return wrap(what, err)
		}
		return nil
	})
}
