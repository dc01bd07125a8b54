package fido

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lakekey/lakekey/fido/audit"
	"github.com/lakekey/lakekey/internal/secret"
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

// InviteRequest says whom an administrator invites.
type InviteRequest struct {
	UserName string
	TTL      time.Duration // how long the invitation is good for, up to 30 days
	Groups   []string      // in which groups the person is; nil: as before, or in none
	Act      Act
}

// maxInviteTTL keeps a forgotten invitation from being a way in for ever.
const maxInviteTTL = 30 * 24 * time.Hour

// Invite returns a token with which the person called userName can register a
// key, once, within ttl. A person who is not known yet becomes known. The store
// keeps only a hash of the token. It is for programs: where an administrator
// invites people, [RelyingParty.InviteFor] records who it was.
func (p *RelyingParty) Invite(ctx context.Context, userName string, ttl time.Duration) (secret.Value, error) {
	return p.issueInvite(ctx, InviteRequest{UserName: userName, TTL: ttl})
}

// InviteFor is Invite on behalf of somebody.
func (p *RelyingParty) InviteFor(ctx context.Context, req InviteRequest) (secret.Value, error) {
	if err := req.Act.check(false); err != nil {
		return secret.Value{}, err
	}
	return p.issueInvite(ctx, req)
}

func (p *RelyingParty) issueInvite(ctx context.Context, req InviteRequest) (secret.Value, error) {
	if req.TTL <= 0 || req.TTL > maxInviteTTL {
		return secret.Value{}, &InvalidError{Field: "lifetime of the invitation", Problem: fmt.Sprintf("is %v, not up to %v", req.TTL, maxInviteTTL)}
	}
	user, err := p.ensureUser(ctx, req)
	if err != nil {
		return secret.Value{}, err
	}
	now, token := p.cfg.Now(), newToken()
	invite := Invite{ID: hashToken(token), UserHandle: user.Handle, Kind: KindLink, Created: now, By: req.Act.By, Expires: now.Add(req.TTL)}
	if err := p.store.AddInvites(ctx, []Invite{invite}, false); err != nil {
		return secret.Value{}, fmt.Errorf("adding the invitation: %w", err)
	}
	// Nobody has the token yet: what cannot be recorded leads nowhere.
	e := req.Act.event("invite.issued", user)
	e.Outcome, e.InviteHash = audit.OK, hex.EncodeToString(invite.ID[:])
	if err := p.record(ctx, e); err != nil {
		return secret.Value{}, err
	}
	return token, nil
}

// WithdrawInvites makes the enrolment links void that a person has not used, such as
// one that was sent to a wrong address, and returns how many there were. Recovery
// codes are not meant: see [RelyingParty.WithdrawRecoveryCodes].
func (p *RelyingParty) WithdrawInvites(ctx context.Context, userHandle []byte, a Act) (int, error) {
	n, _, err := p.withdraw(ctx, userHandle, KindLink, "invite.withdrawn", a)
	return n, err
}

// withdraw makes void what a person has of a kind, and returns how many there were.
func (p *RelyingParty) withdraw(ctx context.Context, userHandle []byte, kind InviteKind, event string, a Act) (n int, owner User, err error) {
	if err := a.check(true); err != nil {
		return 0, User{}, err
	}
	if owner, err = p.store.User(ctx, userHandle); err != nil {
		return 0, User{}, fmt.Errorf("reading the user: %w", err)
	}
	now := p.cfg.Now()
	if n, err = p.unused(ctx, userHandle, kind, now); err != nil {
		return 0, User{}, err
	}
	// In their place comes one whose token nobody has and whose time is over.
	gone := Invite{ID: hashToken(newToken()), UserHandle: userHandle, Kind: kind, Created: now, By: a.By, Expires: now}
	return n, owner, p.perform(ctx, a.event(event, owner), func(ctx context.Context) error {
		if err := p.store.AddInvites(ctx, []Invite{gone}, true); err != nil {
			return fmt.Errorf("withdrawing invitations: %w", err)
		}
		return nil
	})
}

// unused counts what a person has of a kind that can be used now.
func (p *RelyingParty) unused(ctx context.Context, userHandle []byte, kind InviteKind, now time.Time) (n int, err error) {
	all, err := p.store.Invites(ctx, userHandle)
	if err != nil {
		return 0, fmt.Errorf("reading invitations: %w", err)
	}
	for _, i := range all {
		if i.Kind == kind && (i.Expires.IsZero() || now.Before(i.Expires)) {
			n++
		}
	}
	return n, nil
}

// ensureUser returns the invited person, in the groups that were asked for.
func (p *RelyingParty) ensureUser(ctx context.Context, req InviteRequest) (User, error) {
	key, err := userKey(req.UserName)
	if err != nil {
		return User{}, err
	}
	groups, err := cleanGroups(req.Groups)
	if err != nil {
		return User{}, err
	}
	user, err := p.store.UserByKey(ctx, key)
	if errors.Is(err, ErrNotFound) {
		fresh := newUser(req.UserName, p.cfg.Now())
		fresh.Groups = groups
		e := req.Act.event("user.created", fresh)
		e.Group = strings.Join(groups, ", ")
		err = p.perform(ctx, e, func(ctx context.Context) (err error) {
			if user, err = p.store.EnsureUser(ctx, key, fresh); err == nil && !bytes.Equal(user.Handle, fresh.Handle) {
				return ErrConflict // somebody else has invited the same person meanwhile
			}
			return err
		})
		if err != nil && len(user.Handle) == 0 {
			return User{}, fmt.Errorf("adding the user: %w", err)
		}
	} else if err != nil {
		return User{}, fmt.Errorf("reading the user: %w", err)
	}
	if req.Groups == nil || slices.Equal(groups, user.Groups) {
		return user, nil
	}
	return p.SetGroups(ctx, user.Handle, groups, req.Act)
}
