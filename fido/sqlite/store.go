package sqlite

import (
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
			(id, purpose, challenge, user_handle, allowed, invite, user_verification, remote_addr, expires) VALUES (?,?,?,?,?,?,?,?,?)`,
			r.ID[:], string(r.Purpose), r.Challenge, r.UserHandle, allowed, invite, r.UserVerification, r.RemoteAddr, r.Expires.UnixNano())
		return failed(ctx, "adding a ceremony", err)
	})
}

// sweep removes what has expired, now and then.
func (s *Store) sweep(ctx context.Context, tx *sqlitedb.Tx, now time.Time) error {
	last := s.swept.Load()
	if elapsed := now.UnixNano() - last; elapsed >= 0 && elapsed < int64(sweepEvery) || !s.swept.CompareAndSwap(last, now.UnixNano()) {
		return nil
	}
	for _, table := range []string{"fido_ceremonies", "fido_invites"} {
		if _, err := tx.ExecContext(ctx, "DELETE FROM "+table+" WHERE expires < ?", now.UnixNano()); err != nil {
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
			purpose, challenge, user_handle, allowed, invite, user_verification, remote_addr, expires`, id[:]).Scan(
			&purpose, &r.Challenge, &r.UserHandle, &allowed, &invite, &r.UserVerification, &r.RemoteAddr, &expires)
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

// EnsureUser implements fido.Store.
func (s *Store) EnsureUser(ctx context.Context, key string, u fido.User) (found fido.User, err error) {
	err = s.db.Write(ctx, func(tx *sqlitedb.Tx) error {
		if _, err := tx.ExecContext(ctx, "INSERT INTO fido_users (handle, key, name, display_name) VALUES (?,?,?,?) ON CONFLICT (key) DO NOTHING",
			u.Handle, key, u.Name, u.DisplayName); sqlitedb.IsUnique(err) {
			return fido.ErrConflict
		} else if err != nil {
			return failed(ctx, "adding a user", err)
		}
		found, err = scanUser(ctx, tx.QueryRowContext(ctx, userByKey, key))
		return err
	})
	return found, err
}

const (
	userByKey    = "SELECT handle, name, display_name FROM fido_users WHERE key = ?"
	userByHandle = "SELECT handle, name, display_name FROM fido_users WHERE handle = ?"
)

func scanUser(ctx context.Context, row *sql.Row) (u fido.User, err error) {
	if err := row.Scan(&u.Handle, &u.Name, &u.DisplayName); err != nil {
		return fido.User{}, failed(ctx, "reading a user", err)
	}
	return u, nil
}

// UserByKey implements fido.Store.
func (s *Store) UserByKey(ctx context.Context, key string) (fido.User, error) {
	return scanUser(ctx, s.db.QueryRowContext(ctx, userByKey, key))
}

// User implements fido.Store.
func (s *Store) User(ctx context.Context, handle []byte) (fido.User, error) {
	return scanUser(ctx, s.db.QueryRowContext(ctx, userByHandle, handle))
}

// AddInvite implements fido.Store.
func (s *Store) AddInvite(ctx context.Context, i fido.Invite) error {
	return s.db.Write(ctx, func(tx *sqlitedb.Tx) error {
		_, err := tx.ExecContext(ctx, "INSERT INTO fido_invites (id, user_handle, expires) VALUES (?,?,?)", i.ID[:], i.UserHandle, i.Expires.UnixNano())
		return failed(ctx, "adding an invitation", err)
	})
}

// Invite implements fido.Store.
func (s *Store) Invite(ctx context.Context, id fido.Hash) (fido.Invite, error) {
	i := fido.Invite{ID: id}
	var expires int64
	err := s.db.QueryRowContext(ctx, "SELECT user_handle, expires FROM fido_invites WHERE id = ?", id[:]).Scan(&i.UserHandle, &expires)
	if err != nil {
		return fido.Invite{}, failed(ctx, "reading an invitation", err)
	}
	i.Expires = at(expires)
	return i, nil
}

// Seed implements fido.Store.
func (s *Store) Seed(ctx context.Context, fresh [32]byte) (seed [32]byte, err error) {
	const read = "SELECT seed FROM fido_seed WHERE one = 1"
	var b []byte
	if err := s.db.QueryRowContext(ctx, read).Scan(&b); err == nil {
		copy(seed[:], b)
		return seed, nil
	} else if !errors.Is(err, sql.ErrNoRows) {
		return seed, failed(ctx, "reading the seed", err)
	}
	err = s.db.Write(ctx, func(tx *sqlitedb.Tx) error {
		if _, err := tx.ExecContext(ctx, "INSERT INTO fido_seed (one, seed) VALUES (1, ?) ON CONFLICT DO NOTHING", fresh[:]); err != nil {
			return failed(ctx, "keeping the seed", err)
		}
		return failed(ctx, "reading the seed", tx.QueryRowContext(ctx, read).Scan(&b))
	})
	copy(seed[:], b)
	return seed, err
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
	return time.Unix(0, nanos)
}

func nanos(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}
