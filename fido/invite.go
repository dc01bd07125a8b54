package fido

import (
	"bytes"
	"time"
)

// Invite is a stored invitation to register a key: of the token that its owner
// has, only a hash is kept.
type Invite struct {
	ID         Hash
	UserHandle []byte
	Kind       InviteKind
	Created    time.Time
	By         string    // who issued it
	Expires    time.Time // zero: never
}

// InviteKind says what an invitation is.
type InviteKind string

// The kinds of invitations.
const (
	KindLink     InviteKind = "link"     // an enrolment link
	KindRecovery InviteKind = "recovery" // a recovery code, which somebody keeps for the day on which all keys are lost
)

func (i Invite) clone() Invite {
	i.UserHandle = bytes.Clone(i.UserHandle)
	return i
}
