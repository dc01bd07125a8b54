package postgres

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"

	"github.com/lakekey/lakekey/fido"
	"github.com/lakekey/lakekey/internal/postgresdb"
)

const (
	userColumns  = "handle, name, display_name, groups, blocked, created, revision"
	userByKey    = "SELECT " + userColumns + " FROM fido_users WHERE key = $1"
	userByHandle = "SELECT " + userColumns + " FROM fido_users WHERE handle = $1"
)

func scanUser(row interface{ Scan(...any) error }) (u fido.User, err error) {
	var groups []byte
	var created, revision int64
	if err := row.Scan(&u.Handle, &u.Name, &u.DisplayName, &groups, &u.Blocked, &created, &revision); err != nil {
		return fido.User{}, err
	}
	if u.Groups, err = list(groups); err != nil {
		return fido.User{}, err
	}
	u.Created, u.Revision = at(created), uint64(revision)
	return u, nil
}

// list reads a JSON list; an empty one is nil, as it was when it was written.
func list(b []byte) (all []string, err error) {
	if err := json.Unmarshal(b, &all); err != nil || len(all) == 0 {
		return nil, err
	}
	return all, nil
}

// EnsureUser implements fido.Store.
func (s *Store) EnsureUser(ctx context.Context, key string, u fido.User) (fido.User, error) {
	groups, err := json.Marshal(u.Groups)
	if err != nil {
		return fido.User{}, fmt.Errorf("fido/postgres: %v", err)
	}
	_, err = s.db.ExecContext(ctx, "INSERT INTO fido_users (key, "+userColumns+") VALUES ($1,$2,$3,$4,$5,$6,$7,1) ON CONFLICT (key) DO NOTHING",
		key, u.Handle, u.Name, text(u.DisplayName), string(groups), text(u.Blocked), nanos(u.Created))
	if postgresdb.IsUnique(err) {
		return fido.User{}, fido.ErrConflict
	}
	if err != nil {
		return fido.User{}, s.failed(ctx, "adding a user", err)
	}
	return s.UserByKey(ctx, key)
}

// UserByKey implements fido.Store.
func (s *Store) UserByKey(ctx context.Context, key string) (fido.User, error) {
	u, err := scanUser(s.db.QueryRowContext(ctx, userByKey, text(key)))
	return u, s.failed(ctx, "reading a user", err)
}

// User implements fido.Store.
func (s *Store) User(ctx context.Context, handle []byte) (fido.User, error) {
	u, err := scanUser(s.db.QueryRowContext(ctx, userByHandle, handle))
	return u, s.failed(ctx, "reading a user", err)
}

// UpdateUser implements fido.Store.
func (s *Store) UpdateUser(ctx context.Context, u fido.User) error {
	groups, err := json.Marshal(u.Groups)
	if err != nil {
		return fmt.Errorf("fido/postgres: %v", err)
	}
	r, err := s.db.ExecContext(ctx, "UPDATE fido_users SET display_name = $1, groups = $2, blocked = $3, revision = revision + 1 WHERE handle = $4 AND revision = $5",
		text(u.DisplayName), string(groups), text(u.Blocked), u.Handle, int64(u.Revision))
	return s.compared(ctx, "updating a user", r, err, "SELECT 1 FROM fido_users WHERE handle = $1", u.Handle)
}

// compared says how an update ended that was to change one row of a certain
// revision: if it changed none, whether that is there at all.
func (s *Store) compared(ctx context.Context, what string, r sql.Result, err error, exists string, key []byte) error {
	if err != nil {
		return s.failed(ctx, what, err)
	}
	n, err := r.RowsAffected()
	if err != nil || n == 1 {
		return s.failed(ctx, what, err)
	}
	if err := s.db.QueryRowContext(ctx, exists, key).Scan(new(int)); err != nil {
		return s.failed(ctx, what, err)
	}
	return fido.ErrConflict
}

// ListUsers implements fido.Store.
func (s *Store) ListUsers(ctx context.Context, q fido.UserQuery) (page []fido.User, err error) {
	// The range lets it use the index: no name goes on with U+10FFFF, which is no
	// character. starts_with makes it exact.
	rows, err := s.db.QueryContext(ctx, "SELECT "+userColumns+" FROM fido_users WHERE key > $1 AND key >= $2 AND key < $3 AND starts_with(key, $2) ORDER BY key LIMIT $4",
		text(q.After), text(q.Prefix), text(q.Prefix)+"\U0010FFFF", fido.PageSize(q.Limit))
	if err != nil {
		return nil, s.failed(ctx, "reading users", err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		u, err := scanUser(rows)
		if err != nil {
			return nil, s.failed(ctx, "reading users", err)
		}
		page = append(page, u)
	}
	return page, s.failed(ctx, "reading users", rows.Err())
}
