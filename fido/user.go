package fido

import (
	"bytes"
	"crypto/rand"
	"slices"
	"time"
	"unicode/utf8"

	"golang.org/x/text/secure/precis"
)

// User is a person who holds keys.
type User struct {
	// Handle is the random ID by which keys know the person. It says nothing
	// about them, as WebAuthn §14.6.1 asks.
	// https://www.w3.org/TR/webauthn-3/#sctn-user-handle-privacy
	Handle      []byte
	Name        string // the e-mail address that is the Databricks user name
	DisplayName string
	Groups      []string  // what the key policy and roles may ask for
	Blocked     string    // why none of the person's keys signs in; empty: they do
	Created     time.Time // zero: not known

	// Revision counts the updates of the stored record, see [Store].
	Revision uint64
}

// Clone returns a copy that shares no memory with u that can be changed.
func (u User) Clone() User {
	u.Handle, u.Groups = bytes.Clone(u.Handle), slices.Clone(u.Groups)
	return u
}

const maxUserName = 254 // RFC 5321 §4.5.3.1.3 less the angle brackets: the longest mail address

// userKey folds a user name to the form in which names are compared: as people
// do, who expect Ana@example.com and ana@example.com to be one mailbox.
func userKey(name string) (string, error) {
	if name == "" || len(name) > maxUserName || !utf8.ValidString(name) {
		return "", &InvalidError{Field: "user name", Problem: "has not 1 to 254 bytes of UTF-8"}
	}
	key, err := precis.UsernameCaseMapped.String(name)
	if err != nil {
		return "", &InvalidError{Field: "user name", Problem: "holds spaces, control or invisible characters"}
	}
	return key, nil
}

// newUser makes the person called name. The handle is as long as the random
// part of a user handle is recommended to be at most.
func newUser(name string, now time.Time) User {
	handle := make([]byte, 32)
	_, _ = rand.Read(handle) // never fails, as crypto/rand documents
	return User{Handle: handle, Name: name, DisplayName: name, Created: now}
}
