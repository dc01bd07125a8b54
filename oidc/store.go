package oidc

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"slices"
)

// Store keeps sessions for other processes of the same person, and for later
// ones. Package keep has one: sealed files in a directory.
//
// What it returns is believed, so it must return what was saved or fail: who can
// make it return something else signs in as somebody else.
type Store interface {
	// Hold gives the entry called name, 64 hexadecimal digits, to this caller and
	// to nobody else, in this process or another, until it is released or the
	// process ends, however that happens. It waits for it under ctx.
	Hold(ctx context.Context, name string) (Entry, error)
}

// Entry is one place in a Store. It is used by one goroutine.
type Entry interface {
	// Load returns what was saved last, or nothing.
	Load() ([]byte, error)

	// Reserve makes sure, as far as that can be known, that the next Save of up to
	// size bytes succeeds: a refresh token must not be spent where its successor
	// cannot be written down.
	Reserve(size int) error

	// Save replaces what the entry holds, durably and in one step: whoever is cut
	// off in the middle leaves the old content. No data empties the entry.
	Save(data []byte) error

	// Release lets others have the entry.
	Release()
}

// entryName is where a session is kept that r asks for: the hash of everything
// that two requests must have in common to share a session. What a sign-in must
// prove is a part of it, so that a weak session is never found by a request for a
// strong one; and so is whether it may have been phished.
func (r SignInRequest) entryName(issuer string) string {
	scopes := slices.Clone(r.Scopes)
	slices.Sort(scopes)
	way := "direct"
	if r.InsecureDeviceGrant {
		way = "device"
	}
	h := sha256.New()
	field := func(s string) {
		_ = binary.Write(h, binary.BigEndian, uint32(len(s))) // a hash takes everything
		_, _ = h.Write([]byte(s))
	}
	for _, s := range append([]string{"lakekey session 1", issuer, r.ClientID, r.LoginHint, r.Resource, r.Assurance.Key(), way}, slices.Compact(scopes)...) {
		field(s)
	}
	return hex.EncodeToString(h.Sum(nil))
}
