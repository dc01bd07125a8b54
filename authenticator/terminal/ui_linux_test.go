package terminal_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"github.com/lakekey/lakekey/authenticator"
	"github.com/lakekey/lakekey/authenticator/softkey"
	"github.com/lakekey/lakekey/authenticator/terminal"
)

// desk is a terminal with a person at it.
type desk struct {
	keys *os.File // what the person types, and what the terminal echoes
	tty  *os.File
	mu   sync.Mutex
	seen bytes.Buffer
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skipf("this system has no pseudo-terminals: %v", err)
	}
	raw, err := master.SyscallConn()
	require.NoError(t, err)
	var number int
	require.NoError(t, raw.Control(func(fd uintptr) {
		if err = unix.IoctlSetPointerInt(int(fd), unix.TIOCSPTLCK, 0); err == nil {
			number, err = unix.IoctlGetInt(int(fd), unix.TIOCGPTN)
		}
	}))
	require.NoError(t, err)
	tty, err := os.OpenFile(fmt.Sprint("/dev/pts/", number), os.O_RDWR|unix.O_NOCTTY, 0)
	require.NoError(t, err)
	d := &desk{keys: master, tty: tty}
	t.Cleanup(func() { tty.Close(); master.Close() })
	go func() {
		buffer := make([]byte, 256)
		for {
			n, err := master.Read(buffer)
			d.mu.Lock()
			d.seen.Write(buffer[:n])
			d.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	return d
}

func (d *desk) screen() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.seen.String()
}

// answer types once the terminal shows a text.
func (d *desk) answer(t *testing.T, shown, typed string) {
	t.Helper()
	go func() {
		for !strings.Contains(d.screen(), shown) {
			time.Sleep(time.Millisecond)
		}
		d.keys.WriteString(typed)
	}()
}

// clear forgets what the terminal has shown.
func (d *desk) clear() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.seen.Reset()
}

// shows waits until the terminal shows a text.
func (d *desk) shows(t *testing.T, text string) {
	t.Helper()
	require.Eventually(t, func() bool { return strings.Contains(d.screen(), text) }, time.Minute, time.Millisecond, text)
}

func echoes(t *testing.T, tty *os.File) bool {
	t.Helper()
	state, err := unix.IoctlGetTermios(int(tty.Fd()), unix.TCGETS)
	require.NoError(t, err)
	return state.Lflag&unix.ECHO != 0
}

func TestPINIsHidden(t *testing.T) {
	d := newDesk(t)
	ui := terminal.New(d.tty, d.tty)
	d.answer(t, "PIN of My Key for example.org: ", "12x\x7f345\u00e9\x7f6\r")
	pin, err := ui.PIN(t.Context(), authenticator.PINPrompt{RPID: "example.org", Device: authenticator.Descriptor{Product: "My Key"}, Retries: 8})
	require.NoError(t, err)
	require.Equal(t, "123456", string(pin))
	d.shows(t, "\n")
	require.NotContains(t, d.screen(), "345")
	d.clear()
	require.True(t, echoes(t, d.tty), "the terminal stayed changed")

	d.answer(t, "(7 tries left): ", "wrong\x15right\n")
	pin, err = ui.PIN(t.Context(), authenticator.PINPrompt{RPID: "example.org", Retries: 7, Wrong: true})
	require.NoError(t, err)
	require.Equal(t, "right", string(pin))
	d.shows(t, "(7 tries left)")

	for _, typed := range []string{"12\x03", "12\x04", strings.Repeat("1", 300)} {
		d.clear()
		d.answer(t, "the last try", typed)
		pin, err = ui.PIN(t.Context(), authenticator.PINPrompt{RPID: "example.org", Retries: 1})
		require.Error(t, err)
		require.Nil(t, pin)
		require.True(t, echoes(t, d.tty))
		if len(typed) < 10 {
			require.ErrorIs(t, err, terminal.ErrDeclined)
		}
	}
}

// A prompt ends with its ctx, and what is typed at the next one answers that.
func TestPromptsEndWithTheirContext(t *testing.T) {
	d := newDesk(t)
	ui := terminal.New(d.tty, d.tty)
	for range 3 {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Millisecond, cancel)
		_, err := ui.PIN(ctx, authenticator.PINPrompt{RPID: "example.org", Retries: 8})
		require.ErrorIs(t, err, context.Canceled)
		require.True(t, echoes(t, d.tty))
	}
	d.answer(t, "Which one? ", "x\n7\n2\n")
	n, err := ui.ChooseAccount(t.Context(), "example.org", []authenticator.User{{Name: "ada"}, {Name: "bob", DisplayName: "B\x1b[2J\u202ebob"}, {ID: []byte{1}}})
	require.NoError(t, err)
	require.Equal(t, 1, n)
	d.shows(t, "account 01")
	d.shows(t, "from 1 to 3")
	require.NotContains(t, d.screen(), "\x1b")
	require.NotContains(t, d.screen(), "\u202e")
}

func TestNoTerminal(t *testing.T) {
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer r.Close()
	defer w.Close()
	_, err = w.WriteString("1234\n")
	require.NoError(t, err)
	var out bytes.Buffer
	for _, in := range []*os.File{r, nil} {
		ui := terminal.New(in, &out)
		_, err = ui.PIN(t.Context(), authenticator.PINPrompt{})
		require.ErrorIs(t, err, terminal.ErrNotTerminal)
		_, err = ui.ChooseAccount(t.Context(), "example.org", make([]authenticator.User, 2))
		require.ErrorIs(t, err, terminal.ErrNotTerminal)
		require.NoError(t, ui.Insert(t.Context()), "telling needs no terminal")
	}
}

// The hint appears after a moment, not when the key is touched before.
func TestTouchHint(t *testing.T) {
	d := newDesk(t)
	ui := terminal.New(d.tty, d.tty)
	quick, err := ui.Touch(t.Context(), authenticator.Prompt{RPID: "quick.example", Devices: make([]authenticator.Descriptor, 1)})
	require.NoError(t, err)
	quick()
	slow, err := ui.Verify(t.Context(), authenticator.Prompt{RPID: "slow.example", Create: true, Again: true, Devices: make([]authenticator.Descriptor, 2)})
	require.NoError(t, err)
	defer slow()
	require.Eventually(t, func() bool {
		return strings.Contains(d.screen(), "Put your finger on one of the 2 keys to register it with slow.example.")
	}, time.Minute, time.Millisecond)
	d.shows(t, "Not recognised")
	require.NotContains(t, d.screen(), "quick.example")
}

// A whole sign-in at a terminal.
func TestCeremonyAtATerminal(t *testing.T) {
	d := newDesk(t)
	key, err := softkey.New(softkey.Options{PIN: []byte("1234")})
	require.NoError(t, err)
	defer key.Close()
	device := authenticator.NewCTAP2(key, authenticator.Descriptor{Product: "My Key"})
	client := authenticator.NewClient(authenticator.Devices(device), authenticator.Options{UI: terminal.New(d.tty, d.tty)})
	creation := `{"rp":{"id":"example.org"},"user":{"id":"YQ","name":"a"},"challenge":"MDEyMzQ1Njc4OWFiY2RlZg",
		"authenticatorSelection":{"userVerification":"required"},"pubKeyCredParams":[]}`
	d.answer(t, "PIN of My Key", "9999\r")
	d.answer(t, "(7 tries left)", "1234\r")
	_, err = client.Create(t.Context(), "https://example.org", []byte(creation))
	require.NoError(t, err)
	d.shows(t, "Wrong PIN.")
	require.True(t, term.IsTerminal(int(d.tty.Fd())))
}

// What was typed before a question was there does not answer it.
func TestTypedAheadIsNoAnswer(t *testing.T) {
	d := newDesk(t)
	ui := terminal.New(d.tty, d.tty)
	typeAhead := func() {
		d.clear()
		_, err := d.keys.WriteString("early\n")
		require.NoError(t, err)
		d.shows(t, "early\r\n") // the terminal has it, since it echoes it
	}
	for range 3 {
		typeAhead()
		d.answer(t, "Really? ", "no\n")
		line, err := ui.ReadLine(t.Context(), "Really? ")
		require.NoError(t, err)
		require.Equal(t, "no", line)

		typeAhead()
		d.answer(t, "Secret: ", "late\r")
		secret, err := ui.ReadSecret(t.Context(), "Secret: ")
		require.NoError(t, err)
		require.Equal(t, "late", string(secret))
	}
}
