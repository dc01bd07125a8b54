package fido

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"fmt"
	"strings"

	"github.com/lakekey/lakekey/internal/secret"
)

// A recovery code has 28 characters of base32, which are 140 bits: as an
// invitation it is tried against all people at once, so it must not be guessable
// even if there are very many. It is written in groups, for people copy it from
// paper.
const (
	recoveryLength   = 28
	recoveryGroup    = 4
	maxRecoveryCodes = 20
)

func newRecoveryCode() secret.Value {
	b := make([]byte, 20)
	_, _ = rand.Read(b) // never fails, as crypto/rand documents
	code := base32.StdEncoding.EncodeToString(b)[:recoveryLength]
	var written strings.Builder
	for i := 0; i < recoveryLength; i += recoveryGroup {
		if i > 0 {
			written.WriteByte('-')
		}
		written.WriteString(code[i : i+recoveryGroup])
	}
	return secret.New(written.String())
}

// recoveryCode returns the one spelling of what somebody typed, and whether it
// can be a recovery code at all. What looks like a letter is taken for it: the
// alphabet has no 0, 1 and 8.
func recoveryCode(typed secret.Value) (string, bool) {
	if len(typed.Reveal()) > 4*recoveryLength {
		return "", false
	}
	code := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z':
			return r - 'a' + 'A'
		case r == '-' || r == ' ':
			return -1
		case r == '0':
			return 'O'
		case r == '1':
			return 'I'
		case r == '8':
			return 'B'
		}
		return r
	}, typed.Reveal())
	return code, len(code) == recoveryLength && strings.Trim(code, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") == ""
}

// hashInvite returns the ID of an enrolment link's token or of a recovery code.
func hashInvite(v secret.Value) (id Hash, recovery bool) {
	if code, ok := recoveryCode(v); ok {
		return hashToken(secret.New(code)), true
	}
	return hashToken(v), false
}

// IssueRecoveryCodes returns n codes, 1 to 20, with each of which the person can
// register a key, once: they are for the day on which all keys are lost, and no
// code signs anybody in. Earlier codes are void from then on. A code goes where
// an invitation does, in [RegistrationRequest]; its use is recorded and notified.
// They do not expire, and the store keeps only hashes of them.
func (p *RelyingParty) IssueRecoveryCodes(ctx context.Context, userHandle []byte, n int, a Act) ([]secret.Value, error) {
	if n < 1 || n > maxRecoveryCodes {
		return nil, &InvalidError{Field: "number of recovery codes", Problem: fmt.Sprintf("is not 1 to %d", maxRecoveryCodes)}
	}
	if err := a.check(false); err != nil {
		return nil, err
	}
	user, err := p.store.User(ctx, userHandle)
	if err != nil {
		return nil, fmt.Errorf("reading the user: %w", err)
	}
	now := p.cfg.Now()
	codes, invites := make([]secret.Value, n), make([]Invite, n)
	for i := range codes {
		codes[i] = newRecoveryCode()
		id, _ := hashInvite(codes[i])
		invites[i] = Invite{ID: id, UserHandle: user.Handle, Kind: KindRecovery, Created: now, By: a.By}
	}
	e := a.event("recovery.issued", user)
	err = p.perform(ctx, e, func(ctx context.Context) error {
		if err := p.store.AddInvites(ctx, invites, true); err != nil {
			return fmt.Errorf("keeping recovery codes: %w", err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	p.notify(ctx, Notice{Type: e.Type, User: user, Act: a, At: now, RecoveryCodes: n})
	return codes, nil
}

// WithdrawRecoveryCodes makes a person's recovery codes void, and returns how many
// were unused. It is for the day on which a thief had somebody's key: with it they
// may have made codes of their own, which outlive that key.
func (p *RelyingParty) WithdrawRecoveryCodes(ctx context.Context, userHandle []byte, a Act) (int, error) {
	n, owner, err := p.withdraw(ctx, userHandle, KindRecovery, "recovery.withdrawn", a)
	if err == nil {
		p.notify(ctx, Notice{Type: "recovery.withdrawn", User: owner, Act: a, At: p.cfg.Now()})
	}
	return n, err
}

// recoveryCodes counts a person's unused codes.
func (p *RelyingParty) recoveryCodes(ctx context.Context, userHandle []byte) (int, error) {
	return p.unused(ctx, userHandle, KindRecovery, p.cfg.Now())
}
