package postgres

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/lakekey/lakekey/fido"
	"github.com/lakekey/lakekey/internal/postgresdb"
)

// Store is a fido.Store in a PostgreSQL database.
type Store struct {
	db    *postgresdb.DB
	sweep sweeper
}

var _ fido.Store = (*Store)(nil)

// Open connects to the database at address and brings its tables up to date.
// Close it when done. An address has the form
//
//	postgres://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=verify-full
//
// and what it leaves out comes from where libpq looks too, such as PGPASSWORD. A
// host that is not this machine is spoken to over TLS, with its certificate
// verified, unless sslmode says otherwise. pool_max_conns is the number of
// connections that are open at most; if it is not there, 6.
func Open(ctx context.Context, address string) (*Store, error) {
	db, err := postgresdb.Open(ctx, address, schema)
	if err != nil {
		return nil, fmt.Errorf("opening the key store: %w", err)
	}
	return &Store{db: db}, nil
}

// Close waits for what is running and closes the connections.
func (s *Store) Close() error { return s.db.Close() }

// PutCeremony implements fido.Store.
func (s *Store) PutCeremony(ctx context.Context, r fido.CeremonyRecord, now time.Time) error {
	allowed, err := json.Marshal(r.Allowed)
	if err != nil {
		return fmt.Errorf("fido/postgres: %v", err)
	}
	if err := s.sweep.run(ctx, s.db, now); err != nil {
		return err
	}
	var invite []byte
	if r.Invite != nil {
		invite = r.Invite[:]
	}
	_, err = s.db.ExecContext(ctx, `INSERT INTO fido_ceremonies
		(id, purpose, challenge, user_handle, allowed, invite, user_verification, conditional, credential_name, remote_addr, user_agent, expires)
		VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12)`,
		r.ID[:], string(r.Purpose), r.Challenge, r.UserHandle, string(allowed), invite, r.UserVerification, r.Conditional, text(r.CredentialName), text(r.RemoteAddr), text(r.UserAgent), r.Expires.UnixNano())
	return s.failed(ctx, "adding a ceremony", err)
}

// TakeCeremony implements fido.Store. Of several transactions that delete one row,
// the first gets it and the others, who wait for its end, find nothing.
func (s *Store) TakeCeremony(ctx context.Context, id fido.Hash) (fido.CeremonyRecord, error) {
	r := fido.CeremonyRecord{ID: id}
	var allowed, invite []byte
	var expires int64
	err := s.db.QueryRowContext(ctx, `DELETE FROM fido_ceremonies WHERE id = $1 RETURNING
		purpose, challenge, user_handle, allowed, invite, user_verification, conditional, credential_name, remote_addr, user_agent, expires`, id[:]).Scan(
		&r.Purpose, &r.Challenge, &r.UserHandle, &allowed, &invite, &r.UserVerification, &r.Conditional, &r.CredentialName, &r.RemoteAddr, &r.UserAgent, &expires)
	if err != nil {
		return fido.CeremonyRecord{}, s.failed(ctx, "taking a ceremony", err)
	}
	if err := json.Unmarshal(allowed, &r.Allowed); err != nil {
		return fido.CeremonyRecord{}, fmt.Errorf("fido/postgres: a damaged ceremony: %v", err)
	}
	r.Expires = at(expires)
	if invite != nil {
		r.Invite = new(fido.Hash)
		copy(r.Invite[:], invite)
	}
	return r, nil
}

// Swap implements fido.Store.
func (s *Store) Swap(ctx context.Context, name string, old, fresh []byte) (current []byte, err error) {
	const read = "SELECT value FROM fido_values WHERE name = $1"
	// Nearly always it is a question for what was set long ago.
	err = s.failed(ctx, "reading a value", s.db.QueryRowContext(ctx, read, name).Scan(&current))
	absent := errors.Is(err, fido.ErrNotFound)
	if err != nil && !absent {
		return nil, err
	}
	if absent != (old == nil) || !absent && !bytes.Equal(current, old) {
		return current, nil
	}
	swap, args := "UPDATE fido_values SET value = $2 WHERE name = $1 AND value = $3 RETURNING value", []any{name, fresh, old}
	if old == nil {
		swap, args = "INSERT INTO fido_values (name, value) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING value", args[:2]
	}
	// One statement decides, so that of several that swap at once one sees its own.
	err = s.failed(ctx, "keeping a value", s.db.QueryRowContext(ctx, swap, args...).Scan(&current))
	if errors.Is(err, fido.ErrNotFound) { // another was faster
		err = s.failed(ctx, "reading a value", s.db.QueryRowContext(ctx, read, name).Scan(&current))
	}
	return current, err
}

// failed puts an error of the driver in the words of fido.Store.
func (s *Store) failed(ctx context.Context, what string, err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return fido.ErrNotFound
	}
	return s.db.Failed(ctx, what, err)
}

// text is s as PostgreSQL can hold it. What comes from outside, such as a browser's
// description of itself, may be no UTF-8, and must not be able to stop a sign-in.
// https://www.postgresql.org/docs/current/datatype-character.html
func text(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}

func at(nanos int64) time.Time {
	if nanos == 0 {
		return time.Time{}
	}
	return time.Unix(0, nanos).UTC()
}

func nanos(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}
