package fido

import (
	"bytes"
	"context"
	"slices"
	"strings"
)

// EnsureUser implements [Store].
func (s *MemoryStore) EnsureUser(_ context.Context, key string, u User) (User, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if handle, ok := s.handles[key]; ok {
		return s.users[handle].Clone(), nil
	}
	handle := string(u.Handle)
	if _, taken := s.users[handle]; taken {
		return User{}, ErrConflict
	}
	u = u.Clone()
	u.Revision = 1
	s.handles[key], s.users[handle] = handle, u
	at, _ := slices.BinarySearch(s.keys, key)
	s.keys = slices.Insert(s.keys, at, key)
	return u.Clone(), nil
}

// UserByKey implements [Store].
func (s *MemoryStore) UserByKey(_ context.Context, key string) (User, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	handle, ok := s.handles[key]
	if !ok {
		return User{}, ErrNotFound
	}
	return s.users[handle].Clone(), nil
}

// User implements [Store].
func (s *MemoryStore) User(_ context.Context, handle []byte) (User, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u, ok := s.users[string(handle)]
	if !ok {
		return User{}, ErrNotFound
	}
	return u.Clone(), nil
}

// UpdateUser implements [Store].
func (s *MemoryStore) UpdateUser(_ context.Context, u User) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	old, ok := s.users[string(u.Handle)]
	if !ok {
		return ErrNotFound
	}
	if old.Revision != u.Revision {
		return ErrConflict
	}
	old.DisplayName, old.Groups, old.Blocked = u.DisplayName, slices.Clone(u.Groups), u.Blocked
	old.Revision++
	s.users[string(u.Handle)] = old
	return nil
}

// ListUsers implements [Store].
func (s *MemoryStore) ListUsers(_ context.Context, q UserQuery) ([]User, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	from, _ := slices.BinarySearch(s.keys, max(q.Prefix, q.After))
	var page []User
	for _, key := range s.keys[from:] {
		if len(page) == PageSize(q.Limit) || !strings.HasPrefix(key, q.Prefix) && key > q.Prefix {
			break
		}
		if key > q.After && strings.HasPrefix(key, q.Prefix) {
			page = append(page, s.users[s.handles[key]].Clone())
		}
	}
	return page, nil
}

// AddInvites implements [Store].
func (s *MemoryStore) AddInvites(_ context.Context, invites []Invite, replace bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, i := range invites {
		if _, ok := s.users[string(i.UserHandle)]; !ok {
			return ErrNotFound
		}
	}
	for id, old := range s.invites {
		if replace && slices.ContainsFunc(invites, func(i Invite) bool { return i.Kind == old.Kind && bytes.Equal(i.UserHandle, old.UserHandle) }) {
			delete(s.invites, id)
		}
	}
	for _, i := range invites {
		s.invites[i.ID] = i.clone()
	}
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
	return i.clone(), nil
}

// Invites implements [Store].
func (s *MemoryStore) Invites(_ context.Context, userHandle []byte) ([]Invite, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []Invite
	for _, i := range s.invites {
		if bytes.Equal(i.UserHandle, userHandle) {
			all = append(all, i.clone())
		}
	}
	return all, nil
}
