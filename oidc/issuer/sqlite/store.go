package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/lakekey/lakekey/internal/sqlitedb"
	"github.com/lakekey/lakekey/oidc/issuer"
)

// component: what the code looks at stands in columns, what it only carries
// stands in body, so that a new field needs no migration. Times are Unix
// nanoseconds.
var component = sqlitedb.Component{Name: "oidc/issuer", Migrations: []string{`
CREATE TABLE issuer_keys (
	seq     INTEGER PRIMARY KEY,
	kid     TEXT    NOT NULL UNIQUE,
	pkcs8   BLOB    NOT NULL,
	created INTEGER NOT NULL
) STRICT;

CREATE TABLE issuer_requests (
	id      BLOB    NOT NULL PRIMARY KEY,
	body    BLOB    NOT NULL,
	expires INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX issuer_requests_expires ON issuer_requests (expires);

CREATE TABLE issuer_sessions (
	id         TEXT    NOT NULL PRIMARY KEY,
	user       BLOB    NOT NULL,
	credential BLOB    NOT NULL,
	code       BLOB    NOT NULL UNIQUE,
	refresh    BLOB    UNIQUE,          -- set when the code is taken
	body       BLOB    NOT NULL,
	expires    INTEGER NOT NULL,
	ended      INTEGER,
	reason     TEXT    NOT NULL DEFAULT ''
) STRICT, WITHOUT ROWID;
CREATE INDEX issuer_sessions_user       ON issuer_sessions (user);
CREATE INDEX issuer_sessions_credential ON issuer_sessions (credential);
CREATE INDEX issuer_sessions_expires    ON issuer_sessions (expires);

CREATE TABLE issuer_proofs (
	proof   BLOB    NOT NULL PRIMARY KEY,
	expires INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX issuer_proofs_expires ON issuer_proofs (expires);
`, `
ALTER TABLE issuer_sessions ADD COLUMN jkt TEXT NOT NULL DEFAULT ''; -- of the key that the code was redeemed with
`, `
CREATE TABLE issuer_replaced (
	refresh  BLOB    NOT NULL PRIMARY KEY, -- token that was replaced
	session  TEXT    NOT NULL,
	replaced INTEGER NOT NULL,
	expires  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX issuer_replaced_expires ON issuer_replaced (expires);
`, `
ALTER TABLE issuer_keys ADD COLUMN public     BLOB    NOT NULL DEFAULT x''; -- older keys are whole in pkcs8
ALTER TABLE issuer_keys ADD COLUMN signs_from INTEGER NOT NULL DEFAULT 0;
ALTER TABLE issuer_keys ADD COLUMN revoked    INTEGER;
ALTER TABLE issuer_keys ADD COLUMN reason     TEXT    NOT NULL DEFAULT '';
UPDATE issuer_keys SET signs_from = created;
`, `
ALTER TABLE issuer_sessions ADD COLUMN user_name TEXT NOT NULL DEFAULT '';
ALTER TABLE issuer_sessions ADD COLUMN client    TEXT NOT NULL DEFAULT '';
UPDATE issuer_sessions SET
	user_name = coalesce(json_extract(CAST(body AS TEXT), '$.UserName'), ''),
	client    = coalesce(json_extract(CAST(body AS TEXT), '$.ClientID'), '');
CREATE INDEX issuer_sessions_user_name ON issuer_sessions (user_name);
CREATE INDEX issuer_sessions_client    ON issuer_sessions (client);
`}}

// Store is an [issuer.Store] on SQLite.
type Store struct {
	db *sqlitedb.DB
}

var _ issuer.Store = (*Store)(nil)

// Open opens or creates the file at path; ":memory:" is a database that lives
// as long as the Store.
func Open(ctx context.Context, path string) (*Store, error) {
	db, err := sqlitedb.Open(ctx, path, component)
	if err != nil {
		return nil, err
	}
	return &Store{db: db}, nil
}

// Close closes the file.
func (s *Store) Close() error { return s.db.Close() }

// PutRequest implements [issuer.Store].
func (s *Store) PutRequest(ctx context.Context, r issuer.Request) error {
	body, err := json.Marshal(r)
	if err != nil {
		return wrap("encoding a request", err)
	}
	// A request that a power cut undoes is made again.
	return s.insert(ctx, s.db.WriteBehind, "adding a request", `INSERT INTO issuer_requests (id, body, expires) VALUES (?, ?, ?)`,
		r.ID[:], body, r.Expires.UnixNano())
}

// RequestByID implements [issuer.Store].
func (s *Store) RequestByID(ctx context.Context, id issuer.Hash) (*issuer.Request, error) {
	var body []byte
	err := s.db.QueryRowContext(ctx, `SELECT body FROM issuer_requests WHERE id = ?`, id[:]).Scan(&body)
	if err := notFound("reading a request", err); err != nil {
		return nil, err
	}
	return decodeRequest(body)
}

// TakeRequest implements [issuer.Store]. The removal is on disk no later than
// anything that follows from it; it needs no wait of its own.
func (s *Store) TakeRequest(ctx context.Context, id issuer.Hash) (*issuer.Request, error) {
	var body []byte
	err := s.db.WriteBehind(ctx, func(tx *sqlitedb.Tx) error {
		err := tx.QueryRowContext(ctx, `DELETE FROM issuer_requests WHERE id = ? RETURNING body`, id[:]).Scan(&body)
		return notFound("taking a request", err)
	})
	if err != nil {
		return nil, err
	}
	return decodeRequest(body)
}

func decodeRequest(body []byte) (*issuer.Request, error) {
	var r issuer.Request
	if err := json.Unmarshal(body, &r); err != nil {
		return nil, wrap("decoding a request", err)
	}
	return &r, nil
}

// AddSession implements [issuer.Store].
func (s *Store) AddSession(ctx context.Context, se issuer.Session) error {
	body, err := json.Marshal(se)
	if err != nil {
		return wrap("encoding a session", err)
	}
	// Until its code is redeemed a session is worth nothing.
	return s.insert(ctx, s.db.WriteBehind, "adding a session", `INSERT INTO issuer_sessions (id, user, credential, code, body, expires, user_name, client) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
		se.ID, se.UserHandle, se.CredentialID, se.Code[:], body, se.Expires.UnixNano(), se.UserName, se.ClientID)
}

// TakeCode implements [issuer.Store]. There are no tokens without another write
// after this one, which waits for the disk: the DPoP proof that came with the
// code is remembered, or the session is ended. So this one need not.
func (s *Store) TakeCode(ctx context.Context, code, refresh issuer.Hash, jkt string) (*issuer.Session, error) {
	var se *issuer.Session
	taken := false
	err := s.db.WriteBehind(ctx, func(tx *sqlitedb.Tx) (err error) {
		// One statement decides who gets it; refresh is NULL until then.
		se, err = scanSession(tx.QueryRowContext(ctx, `UPDATE issuer_sessions SET refresh = ?, jkt = ? WHERE code = ? AND refresh IS NULL RETURNING body, ended, reason, jkt`, refresh[:], jkt, code[:]))
		if errors.Is(err, issuer.ErrNotFound) {
			taken = true
			se, err = scanSession(tx.QueryRowContext(ctx, `SELECT body, ended, reason, jkt FROM issuer_sessions WHERE code = ?`, code[:]))
		}
		return err
	})
	switch {
	case err != nil:
		return nil, err
	case taken:
		return se, issuer.ErrTaken
	}
	return se, nil
}

// SessionByID implements [issuer.Store].
func (s *Store) SessionByID(ctx context.Context, id string) (*issuer.Session, error) {
	return scanSession(s.db.QueryRowContext(ctx, `SELECT body, ended, reason, jkt FROM issuer_sessions WHERE id = ?`, id))
}

// scanSession reads a session, and what else the row has into more.
func scanSession(row interface{ Scan(...any) error }, more ...any) (*issuer.Session, error) {
	var body []byte
	var ended sql.NullInt64
	var reason, jkt string
	if err := row.Scan(append([]any{&body, &ended, &reason, &jkt}, more...)...); err != nil {
		return nil, notFound("reading a session", err)
	}
	var se issuer.Session
	if err := json.Unmarshal(body, &se); err != nil {
		return nil, wrap("decoding a session", err)
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
func (s *Store) EndSession(ctx context.Context, id, reason string, at time.Time) (ended bool, err error) {
	err = s.db.Write(ctx, func(tx *sqlitedb.Tx) error {
		res, err := tx.ExecContext(ctx, `UPDATE issuer_sessions SET ended = ?, reason = ? WHERE id = ? AND ended IS NULL`, at.UnixNano(), reason, id)
		if err != nil {
			return wrap("ending a session", err)
		}
		n, err := res.RowsAffected()
		if err != nil {
			return wrap("ending a session", err)
		}
		if ended = n == 1; ended {
			return nil
		}
		return notFound("ending a session", tx.QueryRowContext(ctx, `SELECT 1 FROM issuer_sessions WHERE id = ?`, id).Scan(new(int)))
	})
	return ended, err
}

// AddProof implements [issuer.Store].
func (s *Store) AddProof(ctx context.Context, proof issuer.Hash, expires time.Time) error {
	return s.insert(ctx, s.db.Write, "adding a proof", `INSERT INTO issuer_proofs (proof, expires) VALUES (?, ?)`, proof[:], expires.UnixNano())
}

// Sweep implements [issuer.Store].
func (s *Store) Sweep(ctx context.Context, now time.Time) error {
	return s.db.WriteBehind(ctx, func(tx *sqlitedb.Tx) error {
		for _, table := range []string{"issuer_requests", "issuer_sessions", "issuer_replaced", "issuer_proofs"} {
			if _, err := tx.ExecContext(ctx, `DELETE FROM `+table+` WHERE expires < ?`, now.UnixNano()); err != nil {
				return wrap("forgetting what has expired", err)
			}
		}
		return nil
	})
}

// insert adds a row whose key must be new.
func (s *Store) insert(ctx context.Context, write func(context.Context, func(*sqlitedb.Tx) error) error, what, statement string, args ...any) error {
	return write(ctx, func(tx *sqlitedb.Tx) error {
		if _, err := tx.ExecContext(ctx, statement, args...); sqlitedb.IsUnique(err) {
			return issuer.ErrTaken
		} else if err != nil {
			return wrap(what, err)
		}
		return nil
	})
}

func notFound(what string, err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return issuer.ErrNotFound
	}
	if err != nil {
		return wrap(what, err)
	}
	return nil
}

// wrap keeps the context's errors, which callers act on, and seals the driver's.
func wrap(what string, err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("sqlite: %s: %w", what, err)
	}
	return fmt.Errorf("sqlite: %s: %v", what, err)
}
