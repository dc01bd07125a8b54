package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/lakekey/lakekey/fido"
)

const columns = `id, user_handle, public_key, algorithm, sign_count, evidence, name, transports, discoverable, user_verified, backup_eligible, backup_state,
	state, state_reason, state_by, state_since, created, approved, approved_by, rationale, last_used, revoked, serial_hash,
	attestation_object, client_data_json, revision`

// Credential implements fido.Store.
func (s *Store) Credential(ctx context.Context, id []byte) (fido.Credential, error) {
	c, err := scanCredential(s.db.QueryRowContext(ctx, "SELECT "+columns+" FROM fido_credentials WHERE id = $1", id))
	return c, s.failed(ctx, "reading a credential", err)
}

// Credentials implements fido.Store.
func (s *Store) Credentials(ctx context.Context, userHandle []byte) ([]fido.Credential, error) {
	return s.credentials(ctx, "user_handle = $1 ORDER BY number", userHandle)
}

// ListCredentials implements fido.Store.
func (s *Store) ListCredentials(ctx context.Context, q fido.CredentialQuery) ([]fido.Credential, error) {
	var where []string
	var args []any
	and := func(condition string, arg any) {
		args = append(args, arg)
		where = append(where, strings.ReplaceAll(condition, "$", fmt.Sprint("$", len(args))))
	}
	and("id > $", append([]byte{}, q.After...)) // a missing After is the empty ID, which comes before all
	if q.State != "" {
		and("state = $", string(q.State))
		if q.State != fido.StateActive { // else the index on other states does not apply
			where = append(where, "state <> 'active'")
		}
	}
	if !q.HeldAt.IsZero() {
		and("approved <> 0 AND approved <= $ AND (revoked = 0 OR revoked > $)", nanos(q.HeldAt))
	}
	if !q.UnusedSince.IsZero() {
		and("state <> 'revoked' AND created < $ AND last_used < $", nanos(q.UnusedSince))
	}
	args = append(args, fido.PageSize(q.Limit))
	return s.credentials(ctx, fmt.Sprintf("%s ORDER BY id LIMIT $%d", strings.Join(where, " AND "), len(args)), args...)
}

func (s *Store) credentials(ctx context.Context, where string, args ...any) (all []fido.Credential, err error) {
	rows, err := s.db.QueryContext(ctx, "SELECT "+columns+" FROM fido_credentials WHERE "+where, args...)
	if err != nil {
		return nil, s.failed(ctx, "reading credentials", err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		c, err := scanCredential(rows)
		if err != nil {
			return nil, s.failed(ctx, "reading credentials", err)
		}
		all = append(all, c)
	}
	return all, s.failed(ctx, "reading credentials", rows.Err())
}

func scanCredential(row interface{ Scan(...any) error }) (c fido.Credential, err error) {
	var algorithm, signCount, stateSince, created, approved, lastUsed, revoked, revision int64
	var evidence, transports []byte
	if err := row.Scan(&c.ID, &c.UserHandle, &c.PublicKey, &algorithm, &signCount, &evidence, &c.Name, &transports, &c.Discoverable, &c.UserVerified, &c.BackupEligible, &c.BackupState,
		&c.State, &c.StateReason, &c.StateBy, &stateSince, &created, &approved, &c.ApprovedBy, &c.Rationale, &lastUsed, &revoked, &c.SerialHash,
		&c.AttestationObject, &c.ClientDataJSON, &revision); err != nil {
		return fido.Credential{}, err
	}
	if err := json.Unmarshal(evidence, &c.Evidence); err != nil {
		return fido.Credential{}, err
	}
	if c.Transports, err = list(transports); err != nil {
		return fido.Credential{}, err
	}
	c.Algorithm, c.SignCount, c.StateSince = fido.Algorithm(algorithm), uint32(signCount), at(stateSince)
	c.Created, c.Approved, c.LastUsed, c.Revoked, c.Revision = at(created), at(approved), at(lastUsed), at(revoked), uint64(revision)
	return c, nil
}

// UpdateCredential implements fido.Store. The revision is compared and the rest
// replaced in one statement.
func (s *Store) UpdateCredential(ctx context.Context, c fido.Credential) error {
	evidence, err := json.Marshal(c.Evidence)
	if err != nil {
		return fmt.Errorf("fido/postgres: %v", err)
	}
	r, err := s.db.ExecContext(ctx, `UPDATE fido_credentials
		SET sign_count = $1, evidence = $2, name = $3, user_verified = $4, backup_state = $5, state = $6, state_reason = $7, state_by = $8, state_since = $9,
			approved = $10, approved_by = $11, rationale = $12, last_used = $13, revoked = $14, revision = revision + 1 WHERE id = $15 AND revision = $16`,
		int64(c.SignCount), string(evidence), text(c.Name), c.UserVerified, c.BackupState, string(c.State), text(c.StateReason), text(c.StateBy), nanos(c.StateSince),
		nanos(c.Approved), text(c.ApprovedBy), text(c.Rationale), nanos(c.LastUsed), nanos(c.Revoked), c.ID, int64(c.Revision))
	return s.compared(ctx, "updating a credential", r, err, "SELECT 1 FROM fido_credentials WHERE id = $1", c.ID)
}
