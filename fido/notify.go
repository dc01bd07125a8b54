package fido

import (
	"context"
	"time"
)

// Notifier tells people what has happened to their keys, by mail or chat: news
// that a thief would rather keep from them.
type Notifier interface {
	// Notify is called after the fact. Its error is logged and changes nothing.
	Notify(ctx context.Context, n Notice) error
}

// Notice is one piece of news about a person's keys.
type Notice struct {
	Kind       NoticeKind
	User       User
	Credential *Credential // the key it is about; nil: none, or all of them
	Act        Act         // who did it and why
	At         time.Time
	Remaining  int // recovery codes that are left, for NoticeRecoveryUsed
}

// NoticeKind says what has happened.
type NoticeKind string
