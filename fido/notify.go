package fido

import (
	"context"
	"time"
)

// Notifier tells people what has happened to their keys, by mail or chat: news
// that a thief would rather keep from them.
type Notifier interface {
	// Notify is called after the fact, on the caller's goroutine: what takes long
	// belongs in a queue. Its error is logged and changes nothing.
	Notify(ctx context.Context, n Notice) error
}

// Notice is one piece of news about a person's keys.
type Notice struct {
	// Type is the type of the record in the audit log, such as
	// "credential.registered" or "recovery.used": see audit.EventTypes.
	Type string

	User          User
	Credential    *Credential // the key it is about; nil: none, or all of them
	Act           Act         // who did it and why
	At            time.Time
	RecoveryCodes int // how many are left, when one was used or new ones were issued
}

const notifyTimeout = 10 * time.Second

// notify tells whoever wants to know. It does so even if the caller has gone.
func (p *RelyingParty) notify(ctx context.Context, n Notice) {
	if p.cfg.Notifier == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), notifyTimeout)
	defer cancel()
	n.User = n.User.Clone()
	if n.Credential != nil {
		c := n.Credential.Clone()
		n.Credential = &c
	}
	if err := p.cfg.Notifier.Notify(ctx, n); err != nil {
		p.cfg.Logger.WarnContext(ctx, "a notice was not delivered", "type", n.Type, "user", n.User.Name, "error", err)
	}
}
