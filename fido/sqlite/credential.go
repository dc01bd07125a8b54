package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/lakekey/lakekey/fido"
	"github.com/lakekey/lakekey/internal/sqlitedb"
)

const columns = `id, user_handle, public_key, algorithm, sign_count, evidence, name, transports, discoverable, user_verified, backup_eligible, backup_state,
	state, state_reason, state_by, state_since, created, approved, approved_by, rationale, last_used, revoked, serial_hash,
	attestation_object, client_data_json, revision`

// AddCredential implements fido.Store.
func (s *Store) AddCredential(ctx context.Context, c fido.Credential, a fido.Addition) error {
	transports, err := json.Marshal(c.Transports)
	if err != nil {
		return fmt.Errorf("fido/sqlite: %v", err)
	}
	evidence, err := json.Marshal(c.Evidence)
	if err != nil {
		return fmt.Errorf("fido/sqlite: %v", err)
	}
	return s.db.Write(ctx, func(tx *sqlitedb.Tx) error {
		if err := conditions(ctx, tx, c, a); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, "INSERT INTO fido_credentials ("+columns+") VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,1)",
			c.ID, c.UserHandle, c.PublicKey, int64(c.Algorithm), int64(c.SignCount), evidence, c.Name, transports, c.Discoverable, c.UserVerified, c.BackupEligible, c.BackupState,
			string(c.State), c.StateReason, c.StateBy, nanos(c.StateSince), nanos(c.Created), nanos(c.Approved), c.ApprovedBy, c.Rationale, nanos(c.LastUsed), nanos(c.Revoked), c.SerialHash,
			c.AttestationObject, c.ClientDataJSON)
		if sqlitedb.IsUnique(err) {
			return fido.ErrCredentialExists
		}
		return failed(ctx, "adding a credential", err)
	})
}

// conditions checks, in the transaction that adds c, what its addition rests on.
// Writers take turns, so what is read here stays true until the end of it.
func conditions(ctx context.Context, tx *sqlitedb.Tx, c fido.Credential, a fido.Addition) error {
	if a.Invite != nil {
		if n, err := changed(tx.ExecContext(ctx, "DELETE FROM fido_invites WHERE id = ?", a.Invite[:])); err != nil {
			return failed(ctx, "using an invitation", err)
		} else if n == 0 {
			return fido.ErrInviteInvalid
		}
	}
	if _, err := scanUser(tx.QueryRowContext(ctx, userByHandle, c.UserHandle)); err != nil {
		return failed(ctx, "reading a user", err)
	}
	exists := func(query string, args ...any) (bool, error) {
		err := failed(ctx, "reading credentials", tx.QueryRowContext(ctx, query, args...).Scan(new(int)))
		if errors.Is(err, fido.ErrNotFound) {
			return false, nil
		}
		return err == nil, err
	}
	if known, err := exists("SELECT 1 FROM fido_credentials WHERE id = ?", c.ID); err != nil {
		return err
	} else if known {
		return fido.ErrCredentialExists
	}
	if a.Limit > 0 {
		full, err := exists("SELECT 1 FROM fido_credentials WHERE user_handle = ? AND state <> 'revoked' LIMIT 1 OFFSET ?", c.UserHandle, a.Limit-1)
		if err != nil {
			return err
		} else if full {
			return fido.ErrLimit
		}
	}
	if len(c.SerialHash) > 0 {
		taken, err := exists("SELECT 1 FROM fido_credentials WHERE serial_hash = ? AND user_handle <> ? AND state <> 'revoked' LIMIT 1", c.SerialHash, c.UserHandle)
		if err != nil {
			return err
		} else if taken {
			return fido.ErrSerialTaken
		}
	}
	return nil
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
func (s *Store) Credentials(ctx context.Context, userHandle []byte) ([]fido.Credential, error) {
	return s.credentials(ctx, "user_handle = ? ORDER BY number", userHandle)
}

// ListCredentials implements fido.Store.
func (s *Store) ListCredentials(ctx context.Context, q fido.CredentialQuery) ([]fido.Credential, error) {
	// A missing After is the empty ID, which comes before all.
	where, args := []string{"id > ?"}, []any{append([]byte{}, q.After...)}
	if q.State != "" {
		where, args = append(where, "state = ?"), append(args, string(q.State))
		if q.State != fido.StateActive { // else the index on other states does not apply
			where = append(where, "state <> 'active'")
		}
	}
	if !q.HeldAt.IsZero() {
		at := nanos(q.HeldAt)
		where, args = append(where, "approved <> 0 AND approved <= ? AND (revoked = 0 OR revoked > ?)"), append(args, at, at)
	}
	if !q.UnusedSince.IsZero() {
		since := nanos(q.UnusedSince)
		where, args = append(where, "state <> 'revoked' AND created < ? AND last_used < ?"), append(args, since, since)
	}
	return s.credentials(ctx, strings.Join(where, " AND ")+" ORDER BY id LIMIT ?", append(args, fido.PageSize(q.Limit))...)
}

func (s *Store) credentials(ctx context.Context, where string, args ...any) (all []fido.Credential, err error) {
	rows, err := s.db.QueryContext(ctx, "SELECT "+columns+" FROM fido_credentials WHERE "+where, args...)
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
	var algorithm, signCount, stateSince, created, approved, lastUsed, revoked, revision int64
	var state string
	var evidence, transports []byte
	if err := row.Scan(&c.ID, &c.UserHandle, &c.PublicKey, &algorithm, &signCount, &evidence, &c.Name, &transports, &c.Discoverable, &c.UserVerified, &c.BackupEligible, &c.BackupState,
		&state, &c.StateReason, &c.StateBy, &stateSince, &created, &approved, &c.ApprovedBy, &c.Rationale, &lastUsed, &revoked, &c.SerialHash,
		&c.AttestationObject, &c.ClientDataJSON, &revision); err != nil {
		return fido.Credential{}, err
	}
	if err := json.Unmarshal(evidence, &c.Evidence); err != nil {
		return fido.Credential{}, err
	}
	if c.Transports, err = list(transports); err != nil {
		return fido.Credential{}, err
	}
	c.Algorithm, c.SignCount, c.State, c.StateSince = fido.Algorithm(algorithm), uint32(signCount), fido.State(state), at(stateSince)
	c.Created, c.Approved, c.LastUsed, c.Revoked, c.Revision = at(created), at(approved), at(lastUsed), at(revoked), uint64(revision)
	return c, nil
}

// UpdateCredential implements fido.Store.
func (s *Store) UpdateCredential(ctx context.Context, c fido.Credential) error {
	evidence, err := json.Marshal(c.Evidence)
	if err != nil {
		return fmt.Errorf("fido/sqlite: %v", err)
	}
	return s.db.Write(ctx, func(tx *sqlitedb.Tx) error {
		n, err := changed(tx.ExecContext(ctx, `UPDATE fido_credentials
			SET sign_count = ?, evidence = ?, name = ?, user_verified = ?, backup_state = ?, state = ?, state_reason = ?, state_by = ?, state_since = ?,
				approved = ?, approved_by = ?, rationale = ?, last_used = ?, revoked = ?, revision = revision + 1 WHERE id = ? AND revision = ?`,
			int64(c.SignCount), evidence, c.Name, c.UserVerified, c.BackupState, string(c.State), c.StateReason, c.StateBy, nanos(c.StateSince),
			nanos(c.Approved), c.ApprovedBy, c.Rationale, nanos(c.LastUsed), nanos(c.Revoked), c.ID, int64(c.Revision)))
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
