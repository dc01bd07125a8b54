package sqlite

import (
	"context"

	"github.com/lakekey/lakekey/fido"
	"github.com/lakekey/lakekey/internal/sqlitedb"
)

const inviteColumns = "id, user_handle, kind, created, issuer, expires"

// AddInvites implements fido.Store.
func (s *Store) AddInvites(ctx context.Context, invites []fido.Invite, replace bool) error {
	return s.db.Write(ctx, func(tx *sqlitedb.Tx) error {
		for _, i := range invites {
			if _, err := scanUser(tx.QueryRowContext(ctx, userByHandle, i.UserHandle)); err != nil {
				return failed(ctx, "reading a user", err)
			}
			if !replace {
				continue
			}
			if _, err := tx.ExecContext(ctx, "DELETE FROM fido_invites WHERE user_handle = ? AND kind = ?", i.UserHandle, string(i.Kind)); err != nil {
				return failed(ctx, "removing invitations", err)
			}
		}
		for _, i := range invites {
			if _, err := tx.ExecContext(ctx, "INSERT INTO fido_invites ("+inviteColumns+") VALUES (?,?,?,?,?,?)",
				i.ID[:], i.UserHandle, string(i.Kind), nanos(i.Created), i.By, nanos(i.Expires)); err != nil {
				return failed(ctx, "adding an invitation", err)
			}
		}
		return nil
	})
}

// Invite implements fido.Store.
func (s *Store) Invite(ctx context.Context, id fido.Hash) (fido.Invite, error) {
	i, err := scanInvite(s.db.QueryRowContext(ctx, "SELECT "+inviteColumns+" FROM fido_invites WHERE id = ?", id[:]))
	return i, failed(ctx, "reading an invitation", err)
}

// Invites implements fido.Store.
func (s *Store) Invites(ctx context.Context, userHandle []byte) (all []fido.Invite, err error) {
	rows, err := s.db.QueryContext(ctx, "SELECT "+inviteColumns+" FROM fido_invites WHERE user_handle = ?", userHandle)
	if err != nil {
		return nil, failed(ctx, "reading invitations", err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		i, err := scanInvite(rows)
		if err != nil {
			return nil, failed(ctx, "reading invitations", err)
		}
		all = append(all, i)
	}
	return all, failed(ctx, "reading invitations", rows.Err())
}

func scanInvite(row interface{ Scan(...any) error }) (i fido.Invite, err error) {
	var id []byte
	var kind string
	var created, expires int64
	if err := row.Scan(&id, &i.UserHandle, &kind, &created, &i.By, &expires); err != nil {
		return fido.Invite{}, err
	}
	copy(i.ID[:], id)
	i.Kind, i.Created, i.Expires = fido.InviteKind(kind), at(created), at(expires)
	return i, nil
}
