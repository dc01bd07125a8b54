package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"

	"github.com/lakekey/lakekey/fido"
	"github.com/lakekey/lakekey/internal/sqlitedb"
)

const columns = `id, user_handle, public_key, algorithm, sign_count, attestation, aaguid, hardware, format, evidence, transports,
	user_verified, backup_eligible, backup_state, created, last_used, quarantine, attestation_object, client_data_json, revision`

// AddCredential implements fido.Store.
func (s *Store) AddCredential(ctx context.Context, c fido.Credential, invite *fido.Hash) error {
	transports, err := json.Marshal(c.Transports)
	if err != nil {
		return fmt.Errorf("fido/sqlite: %v", err)
	}
	return s.db.Write(ctx, func(tx *sqlitedb.Tx) error {
		if invite != nil {
			if n, err := changed(tx.ExecContext(ctx, "DELETE FROM fido_invites WHERE id = ?", invite[:])); err != nil {
				return failed(ctx, "using an invitation", err)
			} else if n == 0 {
				return fido.ErrInviteInvalid
			}
		}
		if _, err := scanUser(ctx, tx.QueryRowContext(ctx, userByHandle, c.UserHandle)); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, "INSERT INTO fido_credentials ("+columns+") VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,1)",
			c.ID, c.UserHandle, c.PublicKey, int64(c.Algorithm), int64(c.SignCount), int64(c.Attestation), c.AAGUID[:], c.Hardware, c.Format, c.Evidence, transports,
			c.UserVerified, c.BackupEligible, c.BackupState, nanos(c.Created), nanos(c.LastUsed), c.Quarantine, c.AttestationObject, c.ClientDataJSON)
		if sqlitedb.IsUnique(err) {
			return fido.ErrCredentialExists
		}
		return failed(ctx, "adding a credential", err)
	})
}

func changed(r sql.Result, err error) (int64, error) {
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}

// Credential implements fido.Store.
func (s *Store) Credential(ctx context.Context, id []byte) (fido.Credential, error) {
	c, err := scanCredential(s.db.QueryRowContext(ctx, "SELECT "+columns+" FROM fido_credentials WHERE id = ?", id))
	return c, failed(ctx, "reading a credential", err)
}

// Credentials implements fido.Store.
func (s *Store) Credentials(ctx context.Context, userHandle []byte) (all []fido.Credential, err error) {
	rows, err := s.db.QueryContext(ctx, "SELECT "+columns+" FROM fido_credentials WHERE user_handle = ? ORDER BY number", userHandle)
	if err != nil {
		return nil, failed(ctx, "reading credentials", err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		c, err := scanCredential(rows)
		if err != nil {
			return nil, failed(ctx, "reading credentials", err)
		}
		all = append(all, c)
	}
	return all, failed(ctx, "reading credentials", rows.Err())
}

func scanCredential(row interface{ Scan(...any) error }) (c fido.Credential, err error) {
	var algorithm, signCount, attestation, created, lastUsed, revision int64
	var aaguid, transports []byte
	if err := row.Scan(&c.ID, &c.UserHandle, &c.PublicKey, &algorithm, &signCount, &attestation, &aaguid, &c.Hardware, &c.Format, &c.Evidence, &transports,
		&c.UserVerified, &c.BackupEligible, &c.BackupState, &created, &lastUsed, &c.Quarantine, &c.AttestationObject, &c.ClientDataJSON, &revision); err != nil {
		return fido.Credential{}, err
	}
	if err := json.Unmarshal(transports, &c.Transports); err != nil {
		return fido.Credential{}, err
	}
	c.Algorithm, c.SignCount, c.Attestation = fido.Algorithm(algorithm), uint32(signCount), fido.Verdict(attestation)
	copy(c.AAGUID[:], aaguid)
	c.Created, c.LastUsed, c.Revision = at(created), at(lastUsed), uint64(revision)
	return c, nil
}

// UpdateCredential implements fido.Store.
func (s *Store) UpdateCredential(ctx context.Context, c fido.Credential) error {
	return s.db.Write(ctx, func(tx *sqlitedb.Tx) error {
		n, err := changed(tx.ExecContext(ctx, `UPDATE fido_credentials
			SET sign_count = ?, user_verified = ?, backup_state = ?, last_used = ?, quarantine = ?, revision = revision + 1 WHERE id = ? AND revision = ?`,
			int64(c.SignCount), c.UserVerified, c.BackupState, nanos(c.LastUsed), c.Quarantine, c.ID, int64(c.Revision)))
		if err != nil {
			return failed(ctx, "updating a credential", err)
		}
		if n == 1 {
			return nil
		}
		if err := tx.QueryRowContext(ctx, "SELECT 1 FROM fido_credentials WHERE id = ?", c.ID).Scan(new(int)); err != nil {
			return failed(ctx, "updating a credential", err)
		}
		return fido.ErrConflict
	})
}
