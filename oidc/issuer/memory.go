package issuer

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/lakekey/lakekey/internal/secret"
)

// MemoryStore is a [Store] in memory, for one process and its lifetime.
type MemoryStore struct {
	mu        sync.Mutex
	keys      []Key
	requests  map[Hash]Request
	sessions  map[string]*memorySession
	byCode    map[Hash]*memorySession
	byRefresh map[Hash]*memorySession
	replaced  map[Hash]time.Time // refresh tokens that byRefresh has still
	proofs    map[Hash]time.Time
}

type memorySession struct {
	Session
	taken     bool
	refresh   Hash
	refreshes []Hash // all of them
}

// NewMemoryStore returns an empty store.
func NewMemoryStore() *MemoryStore {
	return &MemoryStore{
		requests:  map[Hash]Request{},
		sessions:  map[string]*memorySession{},
		byCode:    map[Hash]*memorySession{},
		byRefresh: map[Hash]*memorySession{},
		replaced:  map[Hash]time.Time{},
		proofs:    map[Hash]time.Time{},
	}
}

// Keys implements [Store].
func (m *MemoryStore) Keys(context.Context) ([]Key, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.keys), nil
}

// AddKey implements [Store].
func (m *MemoryStore) AddKey(_ context.Context, k Key, after string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	newest := ""
	if n := len(m.keys); n > 0 {
		newest = m.keys[n-1].ID
	}
	if newest != after || slices.ContainsFunc(m.keys, func(old Key) bool { return old.ID == k.ID }) {
		return ErrTaken
	}
	m.keys = append(m.keys, k)
	return nil
}

// RevokeKey implements [Store].
func (m *MemoryStore) RevokeKey(_ context.Context, id, reason string, at time.Time) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := slices.IndexFunc(m.keys, func(k Key) bool { return k.ID == id })
	switch {
	case n < 0:
		return false, ErrNotFound
	case !m.keys[n].Revoked.IsZero():
		return false, nil
	}
	m.keys[n].Revoked, m.keys[n].RevokeReason, m.keys[n].PKCS8 = at, reason, secret.Value{}
	return true, nil
}

// PutRequest implements [Store].
func (m *MemoryStore) PutRequest(_ context.Context, r Request) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.requests[r.ID]; ok {
		return ErrTaken
	}
	m.requests[r.ID] = cloneRequest(r)
	return nil
}

// RequestByID implements [Store].
func (m *MemoryStore) RequestByID(_ context.Context, id Hash) (*Request, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r, ok := m.requests[id]
	if !ok {
		return nil, ErrNotFound
	}
	r = cloneRequest(r)
	return &r, nil
}

// TakeRequest implements [Store].
func (m *MemoryStore) TakeRequest(_ context.Context, id Hash) (*Request, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r, ok := m.requests[id]
	if !ok {
		return nil, ErrNotFound
	}
	delete(m.requests, id)
	return &r, nil
}

// AddSession implements [Store].
func (m *MemoryStore) AddSession(_ context.Context, s Session) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.sessions[s.ID] != nil || m.byCode[s.Code] != nil {
		return ErrTaken
	}
	kept := &memorySession{Session: cloneSession(s)}
	m.sessions[s.ID], m.byCode[s.Code] = kept, kept
	return nil
}

// TakeCode implements [Store].
func (m *MemoryStore) TakeCode(_ context.Context, code, refresh Hash, jkt string) (*Session, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	kept := m.byCode[code]
	if kept == nil {
		return nil, ErrNotFound
	}
	if kept.taken {
		s := cloneSession(kept.Session)
		return &s, ErrTaken
	}
	kept.taken, kept.refresh, kept.refreshes = true, refresh, []Hash{refresh}
	if kept.JKT == "" {
		kept.JKT = jkt
	}
	m.byRefresh[refresh] = kept
	s := cloneSession(kept.Session)
	return &s, nil
}

// SessionByRefresh implements [Store].
func (m *MemoryStore) SessionByRefresh(_ context.Context, refresh Hash) (*Session, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	kept := m.byRefresh[refresh]
	if kept == nil {
		return nil, ErrNotFound
	}
	s := cloneSession(kept.Session)
	s.Replaced = m.replaced[refresh]
	return &s, nil
}

// ReplaceRefresh implements [Store].
func (m *MemoryStore) ReplaceRefresh(_ context.Context, used, next Hash, at time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	kept := m.byRefresh[used]
	if kept == nil || kept.refresh != used || !kept.Ended.IsZero() || m.byRefresh[next] != nil {
		return ErrTaken
	}
	m.byRefresh[next], m.replaced[used] = kept, at
	kept.refresh, kept.refreshes = next, append(kept.refreshes, next)
	return nil
}

// SessionByID implements [Store].
func (m *MemoryStore) SessionByID(_ context.Context, id string) (*Session, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	kept := m.sessions[id]
	if kept == nil {
		return nil, ErrNotFound
	}
	s := cloneSession(kept.Session)
	return &s, nil
}

// EndSession implements [Store].
func (m *MemoryStore) EndSession(_ context.Context, id, reason string, at time.Time) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	kept := m.sessions[id]
	if kept == nil {
		return false, ErrNotFound
	}
	if !kept.Ended.IsZero() {
		return false, nil
	}
	kept.Ended, kept.EndReason = at, reason
	return true, nil
}

// EndSessions implements [Store].
func (m *MemoryStore) EndSessions(_ context.Context, these Sessions, reason string, at time.Time) (ended []Session, _ error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, kept := range m.sessions {
		if kept.Ended.IsZero() && these.Include(&kept.Session) {
			kept.Ended, kept.EndReason = at, reason
			ended = append(ended, cloneSession(kept.Session))
		}
	}
	return ended, nil
}

// AddProof implements [Store].
func (m *MemoryStore) AddProof(_ context.Context, proof Hash, expires time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.proofs[proof]; ok {
		return ErrTaken
	}
	m.proofs[proof] = expires
	return nil
}

// Sweep implements [Store].
func (m *MemoryStore) Sweep(_ context.Context, now time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for id, r := range m.requests {
		if r.Expires.Before(now) {
			delete(m.requests, id)
		}
	}
	for proof, expires := range m.proofs {
		if expires.Before(now) {
			delete(m.proofs, proof)
		}
	}
	for id, s := range m.sessions {
		if s.Expires.Before(now) {
			delete(m.sessions, id)
			delete(m.byCode, s.Code)
			for _, refresh := range s.refreshes {
				delete(m.byRefresh, refresh)
				delete(m.replaced, refresh)
			}
		}
	}
	return nil
}

func cloneRequest(r Request) Request {
	r.ACRValues, r.IDClaims, r.UserinfoClaims = slices.Clone(r.ACRValues), slices.Clone(r.IDClaims), slices.Clone(r.UserinfoClaims)
	return r
}

func cloneSession(s Session) Session {
	s.UserHandle, s.CredentialID, s.AMR = slices.Clone(s.UserHandle), slices.Clone(s.CredentialID), slices.Clone(s.AMR)
	s.IDClaims, s.UserinfoClaims, s.RefreshSeed = slices.Clone(s.IDClaims), slices.Clone(s.UserinfoClaims), slices.Clone(s.RefreshSeed)
	return s
}
