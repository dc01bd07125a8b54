package sqlite

import (
	"context"
	"time"

	"github.com/lakekey/lakekey/internal/sqlitedb"
	"github.com/lakekey/lakekey/oidc/issuer"
)

// EndSessions implements [issuer.Store].
func (s *Store) EndSessions(ctx context.Context, these issuer.Sessions, reason string, at time.Time) (all []issuer.Session, err error) {
	const what = "ending sessions"
	where, args := "", []any{at.UnixNano(), reason}
	and := func(column string, value any) {
		where += " AND " + column + " = ?"
		args = append(args, value)
	}
	if these.UserName != "" {
		and("user_name", these.UserName)
	}
	if len(these.CredentialID) > 0 {
		and("credential", these.CredentialID)
	}
	if these.ClientID != "" {
		and("client", these.ClientID)
	}
	if where == "" {
		return nil, nil
	}
	err = s.db.Write(ctx, func(tx *sqlitedb.Tx) error {
		all = nil // of a try that was undone
		rows, err := tx.QueryContext(ctx, `UPDATE issuer_sessions SET ended = ?, reason = ? WHERE ended IS NULL`+where+` RETURNING body, ended, reason, jkt`, args...)
		if err != nil {
			return wrap(what, err)
		}
		defer func() { _ = rows.Close() }()
		for rows.Next() {
			se, err := scanSession(rows)
			if err != nil {
				return err
			}
			all = append(all, *se)
		}
		if err := rows.Err(); err != nil {
			return wrap(what, err)
		}
		return nil
	})
	return all, err
}
