package launch_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/lakekey/lakekey/oidc"
	"github.com/lakekey/lakekey/oidc/launch"
	"github.com/lakekey/lakekey/oidc/oidctest"
)

// newTerminal returns a terminal and its keyboard.
func newTerminal(t *testing.T) (keyboard, tty *os.File) {
	t.Helper()
	keyboard, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	require.NoError(t, err)
	t.Cleanup(func() { keyboard.Close() })
	raw, err := keyboard.SyscallConn()
	require.NoError(t, err)
	number := 0
	require.NoError(t, raw.Control(func(fd uintptr) {
		if err = unix.IoctlSetPointerInt(int(fd), unix.TIOCSPTLCK, 0); err == nil {
			number, err = unix.IoctlGetInt(int(fd), unix.TIOCGPTN)
		}
	}))
	require.NoError(t, err)
	tty, err = os.OpenFile(fmt.Sprint("/dev/pts/", number), os.O_RDWR|unix.O_NOCTTY, 0)
	require.NoError(t, err)
	t.Cleanup(func() { tty.Close() })
	return keyboard, tty
}

// A person at a machine without a browser signs in on another one: from the
// printed address to the pasted one.
func TestSignInByPasting(t *testing.T) {
	idp, err := oidctest.New(oidctest.Options{})
	require.NoError(t, err)
	srv := httptest.NewServer(idp)
	defer srv.Close()
	issuer, err := oidc.Discover(t.Context(), srv.URL, oidc.Options{})
	require.NoError(t, err)
	keyboard, tty := newTerminal(t)
	said := &buffer{}
	go func() {
		var address string
		for address == "" {
			time.Sleep(time.Millisecond)
			for line := range strings.Lines(said.String()) {
				if text := strings.TrimSpace(line); strings.HasPrefix(text, srv.URL) && strings.HasSuffix(line, "\n") {
					address = text
				}
			}
		}
		client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
		resp, err := client.Get(address)
		if err != nil {
			t.Error(err)
			return
		}
		resp.Body.Close()
		_, _ = keyboard.WriteString("http://127.0.0.1:1/callback?code=wrong\n")
		for !strings.Contains(said.String(), "Try again") {
			time.Sleep(time.Millisecond)
		}
		_, _ = keyboard.WriteString(resp.Header.Get("Location") + "\nfor the next program\n")
	}()
	s, err := oidc.SignInBrowser(t.Context(), issuer, launch.New(environment(nil), tty, said), oidc.SignInRequest{ClientID: "notebook"})
	require.NoError(t, err)
	require.Equal(t, "alice@example.com", s.Subject())
	require.Contains(t, said.String(), "paste it here")

	line := make([]byte, 64)
	n, err := tty.Read(line)
	require.NoError(t, err)
	require.Equal(t, "for the next program\n", string(line[:n]))
}

// A wait that is given up leaves the terminal to the next program.
func TestGivenUpPaste(t *testing.T) {
	keyboard, tty := newTerminal(t)
	b := launch.New(environment(nil), tty, &buffer{})
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err := b.Paste(ctx, nil)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	_, err = keyboard.WriteString("typed later\n")
	require.NoError(t, err)
	line := make([]byte, 64)
	n, err := tty.Read(line)
	require.NoError(t, err)
	require.Equal(t, "typed later\n", string(line[:n]))
}
