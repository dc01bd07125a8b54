package postgres

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/lakekey/lakekey/internal/postgresdb"
	"github.com/lakekey/lakekey/oidc/issuer"
)

// component: what the code looks at stands in columns, what it only carries
// stands in body, so that a new field needs no migration. Times are Unix
// nanoseconds.
var component = postgresdb.Component{Name: "oidc/issuer", Migrations: []string{`
CREATE TABLE issuer_keys (
	seq     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	kid     text   NOT NULL UNIQUE,
	pkcs8   bytea  NOT NULL,
	created bigint NOT NULL
);

CREATE TABLE issuer_requests (
	id      bytea  PRIMARY KEY,
	body    bytea  NOT NULL,
	expires bigint NOT NULL
);
CREATE INDEX issuer_requests_expires ON issuer_requests (expires);

CREATE TABLE issuer_sessions (
	id          text   PRIMARY KEY,
	user_handle bytea  NOT NULL,
	credential  bytea  NOT NULL,
	code        bytea  NOT NULL UNIQUE,
	refresh     bytea  UNIQUE, -- set when the code is taken
	body        bytea  NOT NULL,
	expires     bigint NOT NULL,
	ended       bigint,
	reason      text   NOT NULL DEFAULT ''
);
CREATE INDEX issuer_sessions_user       ON issuer_sessions (user_handle);
CREATE INDEX issuer_sessions_credential ON issuer_sessions (credential);
CREATE INDEX issuer_sessions_expires    ON issuer_sessions (expires);

CREATE TABLE issuer_proofs (
	proof   bytea  PRIMARY KEY,
	expires bigint NOT NULL
);
CREATE INDEX issuer_proofs_expires ON issuer_proofs (expires);
`, `
ALTER TABLE issuer_sessions ADD COLUMN jkt text NOT NULL DEFAULT ''; -- of the key that the code was redeemed with
`, `
CREATE TABLE issuer_replaced (
	refresh  bytea  PRIMARY KEY, -- token that was replaced
	session  text   NOT NULL,
	replaced bigint NOT NULL,
	expires  bigint NOT NULL
);
CREATE INDEX issuer_replaced_expires ON issuer_replaced (expires);
`, `
ALTER TABLE issuer_keys
	ADD COLUMN public     bytea  NOT NULL DEFAULT '', -- older keys are whole in pkcs8
	ADD COLUMN signs_from bigint NOT NULL DEFAULT 0,
	ADD COLUMN revoked    bigint,
	ADD COLUMN reason     text   NOT NULL DEFAULT '';
UPDATE issuer_keys SET signs_from = created;
`, `
ALTER TABLE issuer_sessions
	ADD COLUMN user_name text NOT NULL DEFAULT '',
	ADD COLUMN client    text NOT NULL DEFAULT '';
UPDATE issuer_sessions SET
	user_name = coalesce(convert_from(body, 'UTF8')::json ->> 'UserName', ''),
	client    = coalesce(convert_from(body, 'UTF8')::json ->> 'ClientID', '');
CREATE INDEX issuer_sessions_user_name ON issuer_sessions (user_name);
CREATE INDEX issuer_sessions_client    ON issuer_sessions (client);
`}}

// Store is an [issuer.Store] on PostgreSQL.
type Store struct {
	db *postgresdb.DB
}

var _ issuer.Store = (*Store)(nil)

// Open connects to the database at address, which has the form
//
//	postgres://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=verify-full
//
// and brings its tables up to date. What it leaves out is as in package
// fido/postgres. Close the Store when done.
func Open(ctx context.Context, address string) (*Store, error) {
	db, err := postgresdb.Open(ctx, address, component)
	if err != nil {
		return nil, fmt.Errorf("opening the session store: %w", err)
	}
	return &Store{db: db}, nil
}

// Close waits for what is running and closes the connections.
func (s *Store) Close() error { return s.db.Close() }

// PutRequest implements [issuer.Store].
func (s *Store) PutRequest(ctx context.Context, r issuer.Request) error {
	body, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("postgres: encoding a request: %v", err)
	}
	return s.insert(ctx, "adding a request", `INSERT INTO issuer_requests (id, body, expires) VALUES ($1, $2, $3)`, r.ID[:], body, r.Expires.UnixNano())
}

// RequestByID implements [issuer.Store].
func (s *Store) RequestByID(ctx context.Context, id issuer.Hash) (*issuer.Request, error) {
	return s.request(ctx, "reading a request", `SELECT body FROM issuer_requests WHERE id = $1`, id)
}

// TakeRequest implements [issuer.Store].
func (s *Store) TakeRequest(ctx context.Context, id issuer.Hash) (*issuer.Request, error) {
	return s.request(ctx, "taking a request", `DELETE FROM issuer_requests WHERE id = $1 RETURNING body`, id)
}

func (s *Store) request(ctx context.Context, what, statement string, id issuer.Hash) (*issuer.Request, error) {
	var body []byte
	if err := s.db.QueryRowContext(ctx, statement, id[:]).Scan(&body); err != nil {
		return nil, s.failed(ctx, what, err)
	}
	var r issuer.Request
	if err := json.Unmarshal(body, &r); err != nil {
		return nil, fmt.Errorf("postgres: decoding a request: %v", err)
	}
	return &r, nil
}

// AddProof implements [issuer.Store].
func (s *Store) AddProof(ctx context.Context, proof issuer.Hash, expires time.Time) error {
	return s.insert(ctx, "adding a proof", `INSERT INTO issuer_proofs (proof, expires) VALUES ($1, $2)`, proof[:], expires.UnixNano())
}

// sweepAtOnce keeps a sweep after a flood shorter than a statement may take.
const sweepAtOnce = 10_000

// expired skips what another replica's sweep is at: two that delete the same rows
// in different orders would wait for each other.
var expired = [...]string{
	`DELETE FROM issuer_requests WHERE id = ANY (ARRAY(SELECT id FROM issuer_requests WHERE expires < $1 LIMIT $2 FOR UPDATE SKIP LOCKED))`,
	`DELETE FROM issuer_sessions WHERE id = ANY (ARRAY(SELECT id FROM issuer_sessions WHERE expires < $1 LIMIT $2 FOR UPDATE SKIP LOCKED))`,
	`DELETE FROM issuer_replaced WHERE refresh = ANY (ARRAY(SELECT refresh FROM issuer_replaced WHERE expires < $1 LIMIT $2 FOR UPDATE SKIP LOCKED))`,
	`DELETE FROM issuer_proofs WHERE proof = ANY (ARRAY(SELECT proof FROM issuer_proofs WHERE expires < $1 LIMIT $2 FOR UPDATE SKIP LOCKED))`,
}

// Sweep implements [issuer.Store].
func (s *Store) Sweep(ctx context.Context, now time.Time) error {
	for _, statement := range expired {
		for n := int64(sweepAtOnce); n == sweepAtOnce; {
			r, err := s.db.ExecContext(ctx, statement, now.UnixNano(), sweepAtOnce)
			if err == nil {
				n, err = r.RowsAffected()
			}
			if err != nil {
				return s.failed(ctx, "forgetting what has expired", err)
			}
		}
	}
	return nil
}

// insert adds a row whose key must be new.
func (s *Store) insert(ctx context.Context, what, statement string, args ...any) error {
	_, err := s.db.ExecContext(ctx, statement, args...)
	if postgresdb.IsUnique(err) {
		return issuer.ErrTaken
	}
	return s.failed(ctx, what, err)
}

// failed puts an error of the driver in the words of [issuer.Store].
func (s *Store) failed(ctx context.Context, what string, err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return issuer.ErrNotFound
	}
	return s.db.Failed(ctx, what, err)
}
