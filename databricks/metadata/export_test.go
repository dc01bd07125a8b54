package metadata

import (
	"net/netip"
	"time"
)

// ServeUser makes s take itself for another user's.
func (s *Server) ServeUser(uid int) { s.user = uid }

// PeerFails makes looking up whose process asks fail.
func (s *Server) PeerFails(err error) {
	s.peer = func(_, _ netip.AddrPort) (int, error) { return -1, err }
}

// Times that tests are about.
const (
	FreshEvery  = freshEvery
	PromptEvery = promptEvery
)

// Forget makes the last prompt as old as that.
func (s *Server) Forget(age time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.prompted = s.prompted.Add(-age)
}
