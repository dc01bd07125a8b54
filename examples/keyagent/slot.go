package main

import (
	"context"
	"sync/atomic"

	"github.com/lakekey/lakekey/databricks"
	"github.com/lakekey/lakekey/oidc"
)

// slot is one host's place at the metadata service. Its URL stays while the
// sessions behind it change: a notebook that was told the URL in the morning goes
// on after the touch of the afternoon. They are all the same person's.
type slot struct {
	host    string
	command string // what a person runs when nobody is signed in
	current atomic.Pointer[databricks.TokenSource]
}

// Host implements metadata.Source.
func (s *slot) Host() string { return s.host }

// Token implements metadata.Source.
func (s *slot) Token(ctx context.Context) (*oidc.Token, error) {
	source := s.current.Load()
	if source == nil {
		return nil, &oidc.LoginRequiredError{Reason: "nobody is signed in", Command: s.command}
	}
	return source.Token(ctx)
}

// Check lets the metadata service find out whether the token was revoked.
func (s *slot) Check(ctx context.Context) error {
	if source := s.current.Load(); source != nil {
		return source.Check(ctx)
	}
	return nil
}

// put makes source the one behind the slot, or none, and forgets the tokens of
// the one before.
func (s *slot) put(source *databricks.TokenSource) {
	if old := s.current.Swap(source); old != nil {
		old.Close()
	}
}
