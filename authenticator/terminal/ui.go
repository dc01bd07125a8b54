package terminal

import (
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/lakekey/lakekey/authenticator"
	"github.com/lakekey/lakekey/authenticator/internal/label"
)

// patience is how long a person may take to touch a key that blinks before we say so.
const patience = 400 * time.Millisecond

// UI implements authenticator.UI.
type UI struct {
	out   io.Writer
	mu    sync.Mutex // guards out: a hint is printed by a timer
	input *keyboard
}

// New returns a UI that reads answers from in, which should be a terminal, and writes
// prompts to out: standard error, so that standard output stays the program's.
func New(in *os.File, out io.Writer) *UI { return &UI{out: out, input: newKeyboard(in)} }

func (u *UI) say(format string, args ...any) {
	u.mu.Lock()
	defer u.mu.Unlock()
	fmt.Fprintf(u.out, format, args...)
}

func name(d authenticator.Descriptor) string {
	if product := label.Of(d.Product); product != "" {
		return product
	}
	return "the security key"
}

// Touch implements authenticator.UI.
func (u *UI) Touch(_ context.Context, p authenticator.Prompt) (func(), error) {
	return u.hint("Touch", p), nil
}

// Verify implements authenticator.UI.
func (u *UI) Verify(_ context.Context, p authenticator.Prompt) (func(), error) {
	if p.Again {
		u.say("Not recognised: try again, or another finger.\n")
	}
	return u.hint("Put your finger on", p), nil
}

// hint prints what to do after a moment, and never after it was done.
func (u *UI) hint(verb string, p authenticator.Prompt) (done func()) {
	what := "the key"
	switch {
	case len(p.Devices) == 1:
		what = name(p.Devices[0])
	case len(p.Devices) > 1:
		what = fmt.Sprintf("one of the %d keys", len(p.Devices))
	}
	purpose := "sign in to"
	if p.Create {
		purpose = "register it with"
	}
	if p.Select {
		purpose = "choose it for"
	}
	over := false // guarded by u.mu
	timer := time.AfterFunc(patience, func() {
		u.mu.Lock()
		defer u.mu.Unlock()
		if !over {
			fmt.Fprintf(u.out, "%s %s to %s %s.\n", verb, what, purpose, label.Of(p.RPID))
		}
	})
	return func() {
		timer.Stop()
		u.mu.Lock()
		defer u.mu.Unlock()
		over = true
	}
}

// fewRetries is from when on the prompt says how many are left.
const fewRetries = 5

// PIN implements authenticator.UI.
func (u *UI) PIN(ctx context.Context, p authenticator.PINPrompt) ([]byte, error) {
	if p.Wrong {
		u.say("Wrong PIN.\n")
	}
	left := ""
	switch {
	case p.Retries == 1:
		left = " (the last try before it locks itself)"
	case p.Wrong, p.Retries <= fewRetries:
		left = fmt.Sprintf(" (%d tries left)", p.Retries)
	}
	return u.ReadSecret(ctx, fmt.Sprintf("PIN of %s for %s%s: ", name(p.Device), label.Of(p.RPID), left))
}

// ChooseAccount implements authenticator.UI.
func (u *UI) ChooseAccount(ctx context.Context, rpID string, accounts []authenticator.User) (int, error) {
	var list strings.Builder
	fmt.Fprintf(&list, "The key holds %d accounts for %s:\n", len(accounts), label.Of(rpID))
	for i, a := range accounts {
		account := label.Of(a.Name)
		if display := label.Of(a.DisplayName); display != "" && display != account {
			account = strings.TrimSpace(account + "  " + display)
		}
		if account == "" {
			account = fmt.Sprintf("account %x", a.ID)
		}
		fmt.Fprintf(&list, "%4d  %s\n", i+1, account)
	}
	u.say("%s", list.String())
	for read := u.ReadLine; ; read = u.readOn {
		line, err := read(ctx, "Which one? ")
		if err != nil {
			return 0, err
		}
		if n, err := strconv.Atoi(strings.TrimSpace(line)); err == nil && n >= 1 && n <= len(accounts) {
			return n - 1, nil
		}
		u.say("Type a number from 1 to %d.\n", len(accounts))
	}
}

// Insert implements authenticator.UI.
func (u *UI) Insert(context.Context) error {
	u.say("Plug in your security key.\n")
	return nil
}

// ReadSecret asks for a text that is not shown. The caller overwrites it. What was typed
// before the prompt is dropped.
func (u *UI) ReadSecret(ctx context.Context, prompt string) ([]byte, error) {
	if !u.input.isTerminal() {
		return nil, ErrNotTerminal
	}
	// The line feed that was typed is not shown either.
	defer u.say("\n")
	secret, err := u.input.secret(ctx, func() { u.say("%s", prompt) })
	if err != nil {
		return nil, fmt.Errorf("reading the terminal: %w", err)
	}
	return secret, nil
}

// ReadLine asks for a text that is shown while it is typed. What was typed before the
// prompt is dropped: nobody says yes to a question that they have not seen.
func (u *UI) ReadLine(ctx context.Context, prompt string) (string, error) {
	if u.input.isTerminal() {
		u.input.forget()
	}
	return u.readOn(ctx, prompt)
}

// readOn is ReadLine for the same question asked again.
func (u *UI) readOn(ctx context.Context, prompt string) (string, error) {
	if !u.input.isTerminal() {
		return "", ErrNotTerminal
	}
	u.say("%s", prompt)
	line, err := u.input.line(ctx)
	if err != nil {
		u.say("\n")
		return "", fmt.Errorf("reading the terminal: %w", err)
	}
	return line, nil
}
