package fido

import (
	"bytes"
	"context"
	"slices"
	"sync"
	"time"
)

// MemoryStore is a [Store] that is gone when the program ends. Its context
// arguments are not used: nothing in it waits.
type MemoryStore struct {
	mu          sync.Mutex
	ceremonies  map[Hash]CeremonyRecord
	sweep       int // sweep when there are this many ceremonies
	invites     map[Hash]Invite
	users       map[string]User       // by handle
	handles     map[string]string     // by folded name
	credentials map[string]Credential // by ID
	byUser      map[string][]string   // credential IDs by handle, the oldest first
	seed        *[32]byte
}

// minSweep is the number of ceremonies below which looking for expired ones is
// not worth it.
const minSweep = 1024

// NewMemoryStore returns an empty store.
func NewMemoryStore() *MemoryStore {
	return &MemoryStore{
		ceremonies: map[Hash]CeremonyRecord{}, sweep: minSweep, invites: map[Hash]Invite{}, users: map[string]User{},
		handles: map[string]string{}, credentials: map[string]Credential{}, byUser: map[string][]string{},
	}
}

func (r CeremonyRecord) clone() CeremonyRecord {
	r.Challenge, r.UserHandle, r.Allowed = bytes.Clone(r.Challenge), bytes.Clone(r.UserHandle), slices.Clone(r.Allowed)
	for i := range r.Allowed {
		r.Allowed[i] = bytes.Clone(r.Allowed[i])
	}
	if r.Invite != nil {
		invite := *r.Invite
		r.Invite = &invite
	}
	return r
}

// PutCeremony implements [Store].
func (s *MemoryStore) PutCeremony(_ context.Context, r CeremonyRecord, now time.Time) error {
	r = r.clone()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.ceremonies) >= s.sweep {
		for id, old := range s.ceremonies {
			if old.Expires.Before(now) {
				delete(s.ceremonies, id)
			}
		}
		for id, old := range s.invites {
			if old.Expires.Before(now) {
				delete(s.invites, id)
			}
		}
		s.sweep = max(minSweep, 2*len(s.ceremonies)) // so that sweeping costs O(1) a ceremony
	}
	s.ceremonies[r.ID] = r
	return nil
}

// TakeCeremony implements [Store].
func (s *MemoryStore) TakeCeremony(_ context.Context, id Hash) (CeremonyRecord, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.ceremonies[id]
	if !ok {
		return CeremonyRecord{}, ErrNotFound
	}
	delete(s.ceremonies, id)
	return r, nil
}

// EnsureUser implements [Store].
func (s *MemoryStore) EnsureUser(_ context.Context, key string, u User) (User, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if handle, ok := s.handles[key]; ok {
		return s.users[handle].clone(), nil
	}
	handle := string(u.Handle)
	if _, taken := s.users[handle]; taken {
		return User{}, ErrConflict
	}
	s.handles[key], s.users[handle] = handle, u.clone()
	return u.clone(), nil
}

// UserByKey implements [Store].
func (s *MemoryStore) UserByKey(_ context.Context, key string) (User, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	handle, ok := s.handles[key]
	if !ok {
		return User{}, ErrNotFound
	}
	return s.users[handle].clone(), nil
}

// User implements [Store].
func (s *MemoryStore) User(_ context.Context, handle []byte) (User, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u, ok := s.users[string(handle)]
	if !ok {
		return User{}, ErrNotFound
	}
	return u.clone(), nil
}

// AddInvite implements [Store].
func (s *MemoryStore) AddInvite(_ context.Context, i Invite) error {
	i.UserHandle = bytes.Clone(i.UserHandle)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.invites[i.ID] = i
	return nil
}

// Invite implements [Store].
func (s *MemoryStore) Invite(_ context.Context, id Hash) (Invite, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, ok := s.invites[id]
	if !ok {
		return Invite{}, ErrNotFound
	}
	i.UserHandle = bytes.Clone(i.UserHandle)
	return i, nil
}

// AddCredential implements [Store].
func (s *MemoryStore) AddCredential(_ context.Context, c Credential, invite *Hash) error {
	c = c.Clone()
	c.Revision = 1
	// Parsed once here rather than at every sign-in; a key that cannot be parsed
	// is refused when it is used, as in any other store.
	c.key, _ = parsePublicKey(c.PublicKey)
	s.mu.Lock()
	defer s.mu.Unlock()
	if invite != nil {
		if _, ok := s.invites[*invite]; !ok {
			return ErrInviteInvalid
		}
	}
	if _, ok := s.credentials[string(c.ID)]; ok {
		return ErrCredentialExists
	}
	if _, ok := s.users[string(c.UserHandle)]; !ok {
		return ErrNotFound
	}
	if invite != nil {
		delete(s.invites, *invite)
	}
	s.credentials[string(c.ID)] = c
	s.byUser[string(c.UserHandle)] = append(s.byUser[string(c.UserHandle)], string(c.ID))
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
	old.SignCount, old.UserVerified, old.BackupState = c.SignCount, c.UserVerified, c.BackupState
	old.LastUsed, old.Quarantine = c.LastUsed, c.Quarantine
	old.Revision++
	s.credentials[string(c.ID)] = old
	return nil
}

// Seed implements [Store].
func (s *MemoryStore) Seed(_ context.Context, fresh [32]byte) ([32]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seed == nil {
		s.seed = &fresh
	}
	return *s.seed, nil
}
