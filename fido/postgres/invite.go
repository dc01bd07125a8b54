package postgres

import (
	"context"
	"database/sql"

	"github.com/lakekey/lakekey/fido"
)

const inviteColumns = "id, user_handle, kind, created, issuer, expires"

// lockUser keeps other transactions that add something to the user waiting until
// this one is over; its statements from here on see what those before have done.
func (s *Store) lockUser(ctx context.Context, tx *sql.Tx, handle []byte) error {
	err := tx.QueryRowContext(ctx, "SELECT 1 FROM fido_users WHERE handle = $1 FOR NO KEY UPDATE", handle).Scan(new(int))
	return s.failed(ctx, "reading a user", err)
}

// AddInvites implements fido.Store.
func (s *Store) AddInvites(ctx context.Context, invites []fido.Invite, replace bool) error {
	return s.db.Write(ctx, func(tx *sql.Tx) error {
		for _, i := range invites {
			if err := s.lockUser(ctx, tx, i.UserHandle); err != nil {
				return err
			}
			if !replace {
				continue
			}
			if _, err := tx.ExecContext(ctx, "DELETE FROM fido_invites WHERE user_handle = $1 AND kind = $2", i.UserHandle, string(i.Kind)); err != nil {
				return s.failed(ctx, "removing invitations", err)
			}
		}
		for _, i := range invites {
			if _, err := tx.ExecContext(ctx, "INSERT INTO fido_invites ("+inviteColumns+") VALUES ($1,$2,$3,$4,$5,$6)",
				i.ID[:], i.UserHandle, string(i.Kind), nanos(i.Created), text(i.By), nanos(i.Expires)); err != nil {
				return s.failed(ctx, "adding an invitation", err)
			}
		}
		return nil
	})
}

// Invite implements fido.Store.
func (s *Store) Invite(ctx context.Context, id fido.Hash) (fido.Invite, error) {
	i, err := scanInvite(s.db.QueryRowContext(ctx, "SELECT "+inviteColumns+" FROM fido_invites WHERE id = $1", id[:]))
	return i, s.failed(ctx, "reading an invitation", err)
}

// Invites implements fido.Store.
func (s *Store) Invites(ctx context.Context, userHandle []byte) (all []fido.Invite, err error) {
	rows, err := s.db.QueryContext(ctx, "SELECT "+inviteColumns+" FROM fido_invites WHERE user_handle = $1", userHandle)
	if err != nil {
		return nil, s.failed(ctx, "reading invitations", err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		i, err := scanInvite(rows)
		if err != nil {
			return nil, s.failed(ctx, "reading invitations", err)
		}
		all = append(all, i)
	}
	return all, s.failed(ctx, "reading invitations", rows.Err())
}

func scanInvite(row interface{ Scan(...any) error }) (i fido.Invite, err error) {
	var id []byte
	var created, expires int64
	if err := row.Scan(&id, &i.UserHandle, &i.Kind, &created, &i.By, &expires); err != nil {
		return fido.Invite{}, err
	}
	copy(i.ID[:], id)
	i.Created, i.Expires = at(created), at(expires)
	return i, nil
}
