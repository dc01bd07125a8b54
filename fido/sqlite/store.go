package sqlite

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/lakekey/lakekey/fido"
	"github.com/lakekey/lakekey/internal/sqlitedb"
)

// Store is a fido.Store in an SQLite file.
type Store struct {
	db    *sqlitedb.DB
	swept atomic.Int64 // when expired records were last removed, in nanoseconds
}

const sweepEvery = time.Minute

// Open opens the file at path, or a database in memory for ":memory:", and
// brings its tables up to date. Close it when done.
func Open(ctx context.Context, path string) (*Store, error) {
	db, err := sqlitedb.Open(ctx, path, schema)
	if err != nil {
		return nil, fmt.Errorf("opening the key store: %w", err)
	}
	return &Store{db: db}, nil
}

// Close waits for what is running and closes the file.
func (s *Store) Close() error { return s.db.Close() }

// PutCeremony implements fido.Store.
func (s *Store) PutCeremony(ctx context.Context, r fido.CeremonyRecord, now time.Time) error {
	allowed, err := json.Marshal(r.Allowed)
	if err != nil {
		return fmt.Errorf("fido/sqlite: %v", err)
	}
	// A ceremony that a power cut undoes is begun again.
	return s.db.WriteBehind(ctx, func(tx *sqlitedb.Tx) error {
		if err := s.sweep(ctx, tx, now); err != nil {
			return err
		}
		var invite []byte
		if r.Invite != nil {
			invite = r.Invite[:]
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO fido_ceremonies
			(id, purpose, challenge, user_handle, allowed, invite, user_verification, conditional, credential_name, remote_addr, user_agent, expires)
			VALUES (?,?,?,?,?,?,?,?,?,?,?,?)`,
			r.ID[:], string(r.Purpose), r.Challenge, r.UserHandle, allowed, invite, r.UserVerification, r.Conditional, r.CredentialName, r.RemoteAddr, r.UserAgent, r.Expires.UnixNano())
		return failed(ctx, "adding a ceremony", err)
	})
}

// sweep removes what has expired, now and then.
func (s *Store) sweep(ctx context.Context, tx *sqlitedb.Tx, now time.Time) error {
	last := s.swept.Load()
	if elapsed := now.UnixNano() - last; elapsed >= 0 && elapsed < int64(sweepEvery) || !s.swept.CompareAndSwap(last, now.UnixNano()) {
		return nil
	}
	for _, expired := range []string{"fido_ceremonies WHERE expires < ?", "fido_invites WHERE expires < ? AND expires <> 0"} {
		if _, err := tx.ExecContext(ctx, "DELETE FROM "+expired, now.UnixNano()); err != nil {
			return failed(ctx, "removing what has expired", err)
		}
	}
	return nil
}

// TakeCeremony implements fido.Store. DELETE … RETURNING is one statement under
// the write lock: of several that name the same row, one returns it. The removal
// is on disk no later than what the ceremony leads to, a new credential or an
// updated one; it needs no wait of its own.
func (s *Store) TakeCeremony(ctx context.Context, id fido.Hash) (r fido.CeremonyRecord, err error) {
	err = s.db.WriteBehind(ctx, func(tx *sqlitedb.Tx) error {
		var purpose string
		var allowed, invite []byte
		var expires int64
		err := tx.QueryRowContext(ctx, `DELETE FROM fido_ceremonies WHERE id = ? RETURNING
			purpose, challenge, user_handle, allowed, invite, user_verification, conditional, credential_name, remote_addr, user_agent, expires`, id[:]).Scan(
			&purpose, &r.Challenge, &r.UserHandle, &allowed, &invite, &r.UserVerification, &r.Conditional, &r.CredentialName, &r.RemoteAddr, &r.UserAgent, &expires)
		if err != nil {
			return failed(ctx, "taking a ceremony", err)
		}
		if err := json.Unmarshal(allowed, &r.Allowed); err != nil {
			return fmt.Errorf("fido/sqlite: a damaged ceremony: %v", err)
		}
		r.ID, r.Purpose, r.Expires = id, fido.Purpose(purpose), at(expires)
		if invite != nil {
			r.Invite = new(fido.Hash)
			copy(r.Invite[:], invite)
		}
		return nil
	})
	if err != nil {
		return fido.CeremonyRecord{}, err
	}
	return r, nil
}

// Swap implements fido.Store.
func (s *Store) Swap(ctx context.Context, name string, old, fresh []byte) (current []byte, err error) {
	const read = "SELECT value FROM fido_values WHERE name = ?"
	// Nearly always it is a question for what was set long ago: that needs no
	// write lock.
	err = failed(ctx, "reading a value", s.db.QueryRowContext(ctx, read, name).Scan(&current))
	if err == nil && (old == nil || !bytes.Equal(current, old)) || err != nil && !errors.Is(err, fido.ErrNotFound) {
		return current, err
	}
	err = s.db.Write(ctx, func(tx *sqlitedb.Tx) error {
		current = nil
		err := failed(ctx, "reading a value", tx.QueryRowContext(ctx, read, name).Scan(&current))
		absent := errors.Is(err, fido.ErrNotFound)
		if err != nil && !absent {
			return err
		}
		if absent != (old == nil) || !bytes.Equal(current, old) {
			return nil
		}
		if _, err := tx.ExecContext(ctx, "INSERT INTO fido_values (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value", name, fresh); err != nil {
			return failed(ctx, "keeping a value", err)
		}
		current = bytes.Clone(fresh)
		return nil
	})
	return current, err
}

// failed puts an error of the driver in the words of fido.Store.
func failed(ctx context.Context, what string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, sql.ErrNoRows):
		return fido.ErrNotFound
	case ctx.Err() != nil:
		return fmt.Errorf("fido/sqlite: %s: %w", what, ctx.Err())
	default:
		return fmt.Errorf("fido/sqlite: %s: %v", what, err)
	}
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
