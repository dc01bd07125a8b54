package fido

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/lakekey/lakekey/fido/audit"
)

// User returns the person who has the handle, or ErrNotFound.
func (p *RelyingParty) User(ctx context.Context, handle []byte) (User, error) {
	u, err := p.store.User(ctx, handle)
	if err != nil {
		return User{}, fmt.Errorf("reading the user: %w", err)
	}
	return u, nil
}

// UserByName returns the person who has the name, or ErrNotFound. It is for
// administrators: a stranger must not learn who works here.
func (p *RelyingParty) UserByName(ctx context.Context, name string) (User, error) {
	key, err := userKey(name)
	if err != nil {
		return User{}, err
	}
	u, err := p.store.UserByKey(ctx, key)
	if err != nil {
		return User{}, fmt.Errorf("reading the user: %w", err)
	}
	return u, nil
}

// Users returns a page of people in the order of their names as they are
// compared.
func (p *RelyingParty) Users(ctx context.Context, q UserQuery) ([]User, error) {
	for _, name := range []*string{&q.Prefix, &q.After} {
		if *name == "" {
			continue
		}
		var err error
		if *name, err = userKey(*name); err != nil {
			return nil, err
		}
	}
	users, err := p.store.ListUsers(ctx, q)
	if err != nil {
		return nil, fmt.Errorf("reading users: %w", err)
	}
	return users, nil
}

// Block keeps all of a person's keys from signing in, until Unblock.
func (p *RelyingParty) Block(ctx context.Context, userHandle []byte, a Act) (User, error) {
	return p.changeUser(ctx, userHandle, "user.blocked", a, func(u *User, _ *audit.Event) error {
		if u.Blocked != "" {
			return fmt.Errorf("blocking somebody who is blocked: %w", ErrConflict)
		}
		u.Blocked = a.Rationale
		return nil
	})
}

// Unblock takes back a Block. Nobody does so for themselves: ErrOwnApproval.
func (p *RelyingParty) Unblock(ctx context.Context, userHandle []byte, a Act) (User, error) {
	return p.changeUser(ctx, userHandle, "user.unblocked", a, func(u *User, _ *audit.Event) error {
		if a.about(*u) {
			return ErrOwnApproval
		}
		if u.Blocked == "" {
			return fmt.Errorf("unblocking somebody who is not blocked: %w", ErrConflict)
		}
		u.Blocked = ""
		return nil
	})
}

const (
	maxGroups    = 64
	maxGroupName = 64
)

// SetGroups says in which groups a person is, as the key policy and roles know
// them.
func (p *RelyingParty) SetGroups(ctx context.Context, userHandle []byte, groups []string, a Act) (User, error) {
	groups, err := cleanGroups(groups)
	if err != nil {
		return User{}, err
	}
	return p.changeUser(ctx, userHandle, "user.group-changed", a, func(u *User, e *audit.Event) error {
		e.Group = strings.Join(groups, ", ")
		u.Groups = groups
		return nil
	})
}

// cleanGroups returns the groups sorted, each once.
func cleanGroups(groups []string) ([]string, error) {
	groups = slices.Clone(groups)
	for i := range groups {
		groups[i] = strings.TrimSpace(groups[i])
		if err := checkText("group", groups[i], maxGroupName); err != nil {
			return nil, err
		}
		if strings.ContainsAny(groups[i], ",\n") { // as lists of groups are written
			return nil, &InvalidError{Field: "group", Problem: "holds a comma or a line break"}
		}
	}
	slices.Sort(groups)
	if groups = slices.Compact(groups); len(groups) > maxGroups {
		return nil, &InvalidError{Field: "group", Problem: fmt.Sprintf("is one of more than %d", maxGroups)}
	}
	return groups, nil
}

// changeUser applies a change to a person by compare and swap.
func (p *RelyingParty) changeUser(ctx context.Context, handle []byte, event string, a Act, apply func(*User, *audit.Event) error) (User, error) {
	if err := a.check(event != "user.group-changed"); err != nil {
		return User{}, err
	}
	user, err := p.store.User(ctx, handle)
	if err != nil {
		return User{}, fmt.Errorf("reading the user: %w", err)
	}
	e := a.event(event, user)
	if err := apply(&user, &e); err != nil {
		return User{}, p.reject(ctx, e, err)
	}
	err = p.perform(ctx, e, func(ctx context.Context) error {
		for range maxConflicts {
			err := p.store.UpdateUser(ctx, user)
			if err == nil {
				return nil
			}
			if !errors.Is(err, ErrConflict) {
				return fmt.Errorf("updating the user: %w", err)
			}
			if user, err = p.store.User(ctx, handle); err != nil {
				return fmt.Errorf("reading the user again: %w", err)
			}
			if err := apply(&user, new(audit.Event)); err != nil {
				return err
			}
		}
		return fmt.Errorf("updating the user: %w", ErrConflict)
	})
	if err != nil {
		return User{}, err
	}
	user.Revision++
	p.notify(ctx, Notice{Type: event, User: user, Act: a, At: p.cfg.Now()})
	return user, nil
}
