package sqlite

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/lakekey/lakekey/fido"
	"github.com/lakekey/lakekey/internal/sqlitedb"
)

const (
	userColumns  = "handle, name, display_name, groups, blocked, created, revision"
	userByKey    = "SELECT " + userColumns + " FROM fido_users WHERE key = ?"
	userByHandle = "SELECT " + userColumns + " FROM fido_users WHERE handle = ?"
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
func (s *Store) EnsureUser(ctx context.Context, key string, u fido.User) (found fido.User, err error) {
	groups, err := json.Marshal(u.Groups)
	if err != nil {
		return fido.User{}, fmt.Errorf("fido/sqlite: %v", err)
	}
	err = s.db.Write(ctx, func(tx *sqlitedb.Tx) error {
		if _, err := tx.ExecContext(ctx, "INSERT INTO fido_users (key, "+userColumns+") VALUES (?,?,?,?,?,?,?,1) ON CONFLICT (key) DO NOTHING",
			key, u.Handle, u.Name, u.DisplayName, groups, u.Blocked, nanos(u.Created)); sqlitedb.IsUnique(err) {
			return fido.ErrConflict
		} else if err != nil {
			return failed(ctx, "adding a user", err)
		}
		found, err = scanUser(tx.QueryRowContext(ctx, userByKey, key))
		return failed(ctx, "reading a user", err)
	})
	return found, err
}

// UserByKey implements fido.Store.
func (s *Store) UserByKey(ctx context.Context, key string) (fido.User, error) {
	u, err := scanUser(s.db.QueryRowContext(ctx, userByKey, key))
	return u, failed(ctx, "reading a user", err)
}

// User implements fido.Store.
func (s *Store) User(ctx context.Context, handle []byte) (fido.User, error) {
	u, err := scanUser(s.db.QueryRowContext(ctx, userByHandle, handle))
	return u, failed(ctx, "reading a user", err)
}

// UpdateUser implements fido.Store.
func (s *Store) UpdateUser(ctx context.Context, u fido.User) error {
	groups, err := json.Marshal(u.Groups)
	if err != nil {
		return fmt.Errorf("fido/sqlite: %v", err)
	}
	return s.db.Write(ctx, func(tx *sqlitedb.Tx) error {
		n, err := changed(tx.ExecContext(ctx, "UPDATE fido_users SET display_name = ?, groups = ?, blocked = ?, revision = revision + 1 WHERE handle = ? AND revision = ?",
			u.DisplayName, groups, u.Blocked, u.Handle, int64(u.Revision)))
		if err != nil {
			return failed(ctx, "updating a user", err)
		}
		if n == 1 {
			return nil
		}
		if err := tx.QueryRowContext(ctx, "SELECT 1 FROM fido_users WHERE handle = ?", u.Handle).Scan(new(int)); err != nil {
			return failed(ctx, "updating a user", err)
		}
		return fido.ErrConflict
	})
}

// ListUsers implements fido.Store.
func (s *Store) ListUsers(ctx context.Context, q fido.UserQuery) (page []fido.User, err error) {
	// Keys are compared as bytes, which is how SQLite compares texts in UTF-8. What
	// begins with the prefix lies between it and the prefix with the last of all
	// characters behind it, which no name holds.
	rows, err := s.db.QueryContext(ctx, "SELECT "+userColumns+" FROM fido_users WHERE key > ? AND key >= ? AND key < ? || char(1114111) ORDER BY key LIMIT ?",
		q.After, q.Prefix, q.Prefix, fido.PageSize(q.Limit))
	if err != nil {
		return nil, failed(ctx, "reading users", err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		u, err := scanUser(rows)
		if err != nil {
			return nil, failed(ctx, "reading users", err)
		}
		page = append(page, u)
	}
	return page, failed(ctx, "reading users", rows.Err())
}
