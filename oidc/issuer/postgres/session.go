package postgres

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/lakekey/lakekey/oidc/issuer"
)

// AddSession implements [issuer.Store].
func (s *Store) AddSession(ctx context.Context, se issuer.Session) error {
	body, err := json.Marshal(se)
	if err != nil {
		return fmt.Errorf("postgres: encoding a session: %v", err)
	}
	return s.insert(ctx, "adding a session", `INSERT INTO issuer_sessions (id, user_handle, credential, code, body, expires, user_name, client) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
		se.ID, se.UserHandle, se.CredentialID, se.Code[:], body, se.Expires.UnixNano(), se.UserName, se.ClientID)
}

// TakeCode implements [issuer.Store]. One statement decides who gets it; refresh is
// NULL until then. Of those that wait for it to be decided, each looks again and
// finds that it is not.
func (s *Store) TakeCode(ctx context.Context, code, refresh issuer.Hash, jkt string) (*issuer.Session, error) {
	se, err := s.session(ctx, `UPDATE issuer_sessions SET refresh = $1, jkt = $2 WHERE code = $3 AND refresh IS NULL RETURNING body, ended, reason, jkt`, refresh[:], jkt, code[:])
	if !errors.Is(err, issuer.ErrNotFound) {
		return se, err
	}
	if se, err = s.session(ctx, `SELECT body, ended, reason, jkt FROM issuer_sessions WHERE code = $1`, code[:]); err != nil {
		return nil, err
	}
	return se, issuer.ErrTaken
}

// SessionByID implements [issuer.Store].
func (s *Store) SessionByID(ctx context.Context, id string) (*issuer.Session, error) {
	return s.session(ctx, `SELECT body, ended, reason, jkt FROM issuer_sessions WHERE id = $1`, id)
}

func (s *Store) session(ctx context.Context, statement string, args ...any) (*issuer.Session, error) {
	return s.sessionAnd(ctx, nil, statement, args...)
}

// sessionAnd reads a session, and what else the row has into more.
func (s *Store) sessionAnd(ctx context.Context, more []any, statement string, args ...any) (*issuer.Session, error) {
	return s.scan(ctx, s.db.QueryRowContext(ctx, statement, args...), more...)
}

func (s *Store) scan(ctx context.Context, row interface{ Scan(...any) error }, more ...any) (*issuer.Session, error) {
	var body []byte
	var ended sql.NullInt64
	var reason, jkt string
	if err := row.Scan(append([]any{&body, &ended, &reason, &jkt}, more...)...); err != nil {
		return nil, s.failed(ctx, "reading a session", err)
	}
	var se issuer.Session
	if err := json.Unmarshal(body, &se); err != nil {
		return nil, fmt.Errorf("postgres: decoding a session: %v", err)
	}
	se.EndReason = reason
	if se.JKT == "" {
		se.JKT = jkt
	}
	if ended.Valid {
		se.Ended = time.Unix(0, ended.Int64)
	}
	return &se, nil
}

// EndSession implements [issuer.Store].
func (s *Store) EndSession(ctx context.Context, id, reason string, at time.Time) (bool, error) {
	const what = "ending a session"
	r, err := s.db.ExecContext(ctx, `UPDATE issuer_sessions SET ended = $1, reason = $2 WHERE id = $3 AND ended IS NULL`, at.UnixNano(), reason, id)
	if err != nil {
		return false, s.failed(ctx, what, err)
	}
	if n, err := r.RowsAffected(); err != nil || n == 1 {
		return n == 1, s.failed(ctx, what, err)
	}
	err = s.db.QueryRowContext(ctx, `SELECT 1 FROM issuer_sessions WHERE id = $1`, id).Scan(new(int))
	return false, s.failed(ctx, what, err)
}

// EndSessions implements [issuer.Store].
func (s *Store) EndSessions(ctx context.Context, these issuer.Sessions, reason string, at time.Time) (all []issuer.Session, err error) {
	const what = "ending sessions"
	where, args := "", []any{at.UnixNano(), reason}
	and := func(column string, value any) {
		args = append(args, value)
		where += fmt.Sprintf(" AND %s = $%d", column, len(args))
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
	rows, err := s.db.QueryContext(ctx, `UPDATE issuer_sessions SET ended = $1, reason = $2 WHERE ended IS NULL`+where+` RETURNING body, ended, reason, jkt`, args...)
	if err != nil {
		return nil, s.failed(ctx, what, err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		se, err := s.scan(ctx, rows)
		if err != nil {
			return nil, err
		}
		all = append(all, *se)
	}
	return all, s.failed(ctx, what, rows.Err())
}
