package fido

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/lakekey/lakekey/fido/audit"
)

// Act says who changes something and why: what an auditor asks first. Whether
// they may is for the caller to decide.
type Act struct {
	By         string // the name of the person or program that does it; required
	Rationale  string // why; required of whoever decides about others
	RemoteAddr string // from where, if it was asked for over a network
	UserAgent  string // likewise
}

const maxRationale = 1000

// check makes sure that the log will say who did it, and why if that matters.
func (a Act) check(needsRationale bool) error {
	if err := checkText("by", a.By, maxUserName); err != nil {
		return err
	}
	if a.Rationale == "" && !needsRationale {
		return nil
	}
	return checkText("rationale", a.Rationale, maxRationale)
}

// about reports whether it is the person's own act.
func (a Act) about(owner User) bool {
	by, err := userKey(a.By)
	if err != nil {
		return a.By == owner.Name
	}
	key, err := userKey(owner.Name)
	return err == nil && by == key
}

// event begins the record of an act that is about owner.
func (a Act) event(typ string, owner User) audit.Event {
	e := audit.Event{Type: typ, User: owner.Name, Rationale: a.Rationale, RemoteAddr: a.RemoteAddr, UserAgent: a.UserAgent}
	if !a.about(owner) {
		e.Actor = a.By
	}
	return e
}

// checkText refuses what a page, a mail or a line of the log could show as
// something else than it is.
func checkText(field, s string, limit int) error {
	switch {
	case strings.TrimSpace(s) == "":
		return &InvalidError{Field: field, Problem: "is missing"}
	case len(s) > limit:
		return &InvalidError{Field: field, Problem: fmt.Sprintf("has more than %d bytes", limit)}
	case !utf8.ValidString(s):
		return &InvalidError{Field: field, Problem: "is not UTF-8"}
	case strings.ContainsFunc(s, func(r rune) bool { return (r != '\n' || field != "rationale") && !visible(r) }):
		return &InvalidError{Field: field, Problem: "holds control or invisible characters"}
	}
	return nil
}

// visible reports whether people see r. Letters that are made to be invisible, such
// as the filler of Hangul, print as nothing.
func visible(r rune) bool {
	return unicode.IsPrint(r) && !unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r)
}

// actTimeout bounds a change that goes on although its caller may have gone.
const actTimeout = 30 * time.Second

// perform does what e describes between the record that it is about to be done
// and the record of how it ended: what cannot be recorded does not happen. Once
// the intent is on disk, a caller that hangs up does not stop it half-way.
func (p *RelyingParty) perform(ctx context.Context, e audit.Event, do func(context.Context) error) error {
	going, cancel := context.WithTimeout(context.WithoutCancel(ctx), actTimeout)
	defer cancel()
	if p.cfg.Audit == nil {
		return do(going)
	}
	intent, err := p.cfg.Audit.Begin(ctx, e)
	if err != nil {
		return fmt.Errorf("recording the intent of %s: %w", e.Type, err)
	}
	if err := do(going); err != nil {
		e.Reason = err.Error()
		return errors.Join(err, intent.End(ctx, outcome(err), e))
	}
	// It has happened. A log that fails now does not undo that: its intent is on
	// disk, and everything that comes next will be refused.
	if err := intent.End(ctx, audit.OK, e); err != nil {
		p.cfg.Logger.ErrorContext(ctx, "a change happened, and its record could not be completed", "type", e.Type, "error", err)
	}
	return nil
}

// reject records that an act was refused with err, and returns err.
func (p *RelyingParty) reject(ctx context.Context, e audit.Event, err error) error {
	e.Outcome, e.Reason = outcome(err), err.Error()
	return p.refused(ctx, e, err)
}

func outcome(err error) audit.Outcome {
	if denied(err) {
		return audit.Denied
	}
	return audit.Failed
}
