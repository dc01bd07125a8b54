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
	keys        []string              // the folded names, sorted
	byUser      map[string][]string   // credential IDs by handle, the oldest first
	bySerial    map[string][]string   // credential IDs by SerialHash
	sorted      []string              // credential IDs; nil: not sorted yet
	values      map[string][]byte
}

// minSweep is the number of ceremonies below which looking for expired ones is
// not worth it.
const minSweep = 1024

// NewMemoryStore returns an empty store.
func NewMemoryStore() *MemoryStore {
	return &MemoryStore{
		ceremonies: map[Hash]CeremonyRecord{}, sweep: minSweep, invites: map[Hash]Invite{}, users: map[string]User{},
		handles: map[string]string{}, credentials: map[string]Credential{}, byUser: map[string][]string{}, bySerial: map[string][]string{}, values: map[string][]byte{},
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
			if !old.Expires.IsZero() && old.Expires.Before(now) {
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

// Swap implements [Store].
func (s *MemoryStore) Swap(_ context.Context, name string, old, fresh []byte) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	current, ok := s.values[name]
	if ok != (old != nil) || !bytes.Equal(current, old) {
		return bytes.Clone(current), nil
	}
	s.values[name] = bytes.Clone(fresh)
	return bytes.Clone(fresh), nil
}
