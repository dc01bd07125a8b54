package postgres

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/lakekey/lakekey/fido"
	"github.com/lakekey/lakekey/internal/postgresdb"
)

// AddCredential implements fido.Store.
func (s *Store) AddCredential(ctx context.Context, c fido.Credential, a fido.Addition) error {
	transports, err := json.Marshal(c.Transports)
	if err != nil {
		return fmt.Errorf("fido/postgres: %v", err)
	}
	evidence, err := json.Marshal(c.Evidence)
	if err != nil {
		return fmt.Errorf("fido/postgres: %v", err)
	}
	return s.db.Write(ctx, func(tx *sql.Tx) error {
		if err := s.conditions(ctx, tx, c, a); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, "INSERT INTO fido_credentials ("+columns+") VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14,$15,$16,$17,$18,$19,$20,$21,$22,$23,$24,$25,1)",
			c.ID, c.UserHandle, c.PublicKey, int64(c.Algorithm), int64(c.SignCount), string(evidence), text(c.Name), string(transports), c.Discoverable, c.UserVerified, c.BackupEligible, c.BackupState,
			string(c.State), text(c.StateReason), text(c.StateBy), nanos(c.StateSince), nanos(c.Created), nanos(c.Approved), text(c.ApprovedBy), text(c.Rationale), nanos(c.LastUsed), nanos(c.Revoked), c.SerialHash,
			c.AttestationObject, c.ClientDataJSON)
		if postgresdb.IsUnique(err) { // somebody else, under another user's lock
			return fido.ErrCredentialExists
		}
		return s.failed(ctx, "adding a credential", err)
	})
}

// conditions checks, in the transaction that adds c, what its addition rests on,
// and locks what could change it: the user, whose keys are counted, and the serial
// number. Everybody locks in this order.
func (s *Store) conditions(ctx context.Context, tx *sql.Tx, c fido.Credential, a fido.Addition) error {
	if err := s.lockUser(ctx, tx, c.UserHandle); err != nil {
		return err
	}
	if a.Invite != nil {
		r, err := tx.ExecContext(ctx, "DELETE FROM fido_invites WHERE id = $1", a.Invite[:])
		if err != nil {
			return s.failed(ctx, "using an invitation", err)
		}
		if n, err := r.RowsAffected(); err != nil {
			return s.failed(ctx, "using an invitation", err)
		} else if n == 0 {
			return fido.ErrInviteInvalid
		}
	}
	if known, err := s.exists(ctx, tx, "SELECT 1 FROM fido_credentials WHERE id = $1", c.ID); err != nil {
		return err
	} else if known {
		return fido.ErrCredentialExists
	}
	if a.Limit > 0 {
		full, err := s.exists(ctx, tx, "SELECT 1 FROM fido_credentials WHERE user_handle = $1 AND state <> 'revoked' OFFSET $2 LIMIT 1", c.UserHandle, a.Limit-1)
		if err != nil {
			return err
		} else if full {
			return fido.ErrLimit
		}
	}
	if len(c.SerialHash) > 0 {
		return s.claimSerial(ctx, tx, c)
	}
	return nil
}

func (s *Store) exists(ctx context.Context, tx *sql.Tx, query string, args ...any) (bool, error) {
	err := s.failed(ctx, "reading credentials", tx.QueryRowContext(ctx, query, args...).Scan(new(int)))
	if errors.Is(err, fido.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// claimSerial makes c's owner the one whose key has its serial number, unless
// another person's key has it. A key that was revoked may have a new owner.
func (s *Store) claimSerial(ctx context.Context, tx *sql.Tx, c fido.Credential) error {
	const what = "claiming a serial number"
	var owner []byte
	// The update that changes nothing locks the row. Who waited for it sees, from
	// the next statement on, what the one before has done.
	err := tx.QueryRowContext(ctx, "INSERT INTO fido_serials (serial, user_handle) VALUES ($1, $2) ON CONFLICT (serial) DO UPDATE SET serial = excluded.serial RETURNING user_handle",
		c.SerialHash, c.UserHandle).Scan(&owner)
	if err != nil {
		return s.failed(ctx, what, err)
	}
	if bytes.Equal(owner, c.UserHandle) {
		return nil
	}
	taken, err := s.exists(ctx, tx, "SELECT 1 FROM fido_credentials WHERE serial_hash = $1 AND user_handle <> $2 AND state <> 'revoked' LIMIT 1", c.SerialHash, c.UserHandle)
	if err != nil {
		return err
	} else if taken {
		return fido.ErrSerialTaken
	}
	_, err = tx.ExecContext(ctx, "UPDATE fido_serials SET user_handle = $2 WHERE serial = $1", c.SerialHash, c.UserHandle)
	return s.failed(ctx, what, err)
}
