package fido

import (
	"bytes"
	"context"
	"slices"
)

// AddCredential implements [Store].
func (s *MemoryStore) AddCredential(_ context.Context, c Credential, a Addition) error {
	c = c.Clone()
	c.Revision = 1
	// Parsed once here rather than at every sign-in; a key that cannot be parsed
	// is refused when it is used, as in any other store.
	c.key, _ = parsePublicKey(c.PublicKey)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.mayAdd(c, a); err != nil {
		return err
	}
	if a.Invite != nil {
		delete(s.invites, *a.Invite)
	}
	s.credentials[string(c.ID)] = c
	s.byUser[string(c.UserHandle)] = append(s.byUser[string(c.UserHandle)], string(c.ID))
	if len(c.SerialHash) > 0 {
		s.bySerial[string(c.SerialHash)] = append(s.bySerial[string(c.SerialHash)], string(c.ID))
	}
	// The list in order is made again by who next asks for it.
	s.sorted = nil
	return nil
}

func (s *MemoryStore) mayAdd(c Credential, a Addition) error {
	if a.Invite != nil {
		if _, ok := s.invites[*a.Invite]; !ok {
			return ErrInviteInvalid
		}
	}
	if _, ok := s.users[string(c.UserHandle)]; !ok {
		return ErrNotFound
	}
	if _, ok := s.credentials[string(c.ID)]; ok {
		return ErrCredentialExists
	}
	if a.Limit > 0 {
		held := 0
		for _, id := range s.byUser[string(c.UserHandle)] {
			if s.credentials[id].State != StateRevoked {
				held++
			}
		}
		if held >= a.Limit {
			return ErrLimit
		}
	}
	for _, id := range s.bySerial[string(c.SerialHash)] {
		if other := s.credentials[id]; other.State != StateRevoked && !bytes.Equal(other.UserHandle, c.UserHandle) {
			return ErrSerialTaken
		}
	}
	return nil
}

// Credential implements [Store].
func (s *MemoryStore) Credential(_ context.Context, id []byte) (Credential, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, ok := s.credentials[string(id)]
	if !ok {
		return Credential{}, ErrNotFound
	}
	return c.Clone(), nil
}

// Credentials implements [Store].
func (s *MemoryStore) Credentials(_ context.Context, userHandle []byte) ([]Credential, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []Credential
	for _, id := range s.byUser[string(userHandle)] {
		all = append(all, s.credentials[id].Clone())
	}
	return all, nil
}

// UpdateCredential implements [Store].
func (s *MemoryStore) UpdateCredential(_ context.Context, c Credential) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	old, ok := s.credentials[string(c.ID)]
	if !ok {
		return ErrNotFound
	}
	if old.Revision != c.Revision {
		return ErrConflict
	}
	old.SignCount, old.Evidence, old.Name = c.SignCount, c.Evidence.Clone(), c.Name
	old.UserVerified, old.BackupState, old.LastUsed = c.UserVerified, c.BackupState, c.LastUsed
	old.State, old.StateReason, old.StateBy, old.StateSince = c.State, c.StateReason, c.StateBy, c.StateSince
	old.Approved, old.ApprovedBy, old.Rationale, old.Revoked = c.Approved, c.ApprovedBy, c.Rationale, c.Revoked
	old.Revision++
	s.credentials[string(c.ID)] = old
	return nil
}

// ListCredentials implements [Store].
func (s *MemoryStore) ListCredentials(_ context.Context, q CredentialQuery) ([]Credential, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sorted == nil {
		for id := range s.credentials {
			s.sorted = append(s.sorted, id)
		}
		slices.Sort(s.sorted)
	}
	after := string(q.After)
	from, _ := slices.BinarySearch(s.sorted, after)
	var page []Credential
	for _, id := range s.sorted[from:] {
		if len(page) == PageSize(q.Limit) {
			break
		}
		if c := s.credentials[id]; id > after && q.match(c) {
			page = append(page, c.Clone())
		}
	}
	return page, nil
}

// match reports whether c meets the query's conditions.
func (q CredentialQuery) match(c Credential) bool {
	if q.State != "" && c.State != q.State || !q.HeldAt.IsZero() && !c.HeldAt(q.HeldAt) {
		return false
	}
	return q.UnusedSince.IsZero() || c.State != StateRevoked && c.Created.Before(q.UnusedSince) && c.LastUsed.Before(q.UnusedSince)
}
