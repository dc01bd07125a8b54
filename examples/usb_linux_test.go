package examples_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const usbPIN = "384756 in the drawer"

// The whole chain with a key that speaks CTAPHID and a person who types its PIN.
func TestQuickstartUSB(t *testing.T) {
	path, key := virtualKey(t, usbPIN)
	person := newDesk(t)
	p := startAt(t, person.tty, t.TempDir(), "quickstart", "-json", "-key", "usb", "-device", path)
	person.answers(t, p, map[string]string{"PIN of ": usbPIN})
	object := p.line(t)
	require.NoError(t, p.cmd.Wait(), p.errs.String())
	var result struct {
		User        string `json:"user"`
		CurrentUser string `json:"current_user"`
		AAGUID      string `json:"aaguid"`
		Touches     int    `json:"touches"`
		Audit       struct{ Verified bool }
	}
	require.NoError(t, json.Unmarshal([]byte(object), &result))
	require.Equal(t, ada, result.User)
	require.Equal(t, ada, result.CurrentUser)
	require.True(t, result.Audit.Verified)
	require.Equal(t, 2, result.Touches)
	key.says(t, 2, "touched")
	require.Equal(t, 2, p.count("PIN of "))
	require.NotContains(t, object+p.errs.String(), usbPIN)
}

func TestKeyagentUSB(t *testing.T) {
	w := newWorld(t)
	path, key := virtualKey(t, usbPIN)
	person := newDesk(t)
	pin := map[string]string{"PIN of ": usbPIN}

	enroll := startAt(t, person.tty, w.client, "keyagent", "enroll", "-invite", w.invite(t), "-key", "usb", "-device", path)
	person.answers(t, enroll, pin)
	require.NotEmpty(t, enroll.line(t))
	require.NoError(t, enroll.cmd.Wait(), enroll.errs.String())

	agent := startAt(t, person.tty, w.client, "keyagent", "-issuer", w.issuer, "-host", w.host, "-listen", "127.0.0.1:0", "-key", "usb", "-device", path)
	person.answers(t, agent, pin)
	require.NotEmpty(t, w.token(t, agent.exports(t)))
	key.says(t, 2, "touched")
	agent.interrupt(t)

	// Unplugged, it says so and what to do.
	key.interrupt(t)
	_, said, code := call(t, w.client, "keyagent", "-issuer", w.issuer, "-host", w.host, "-key", "usb", "-device", path)
	require.Equal(t, 1, code)
	require.Contains(t, said, "-device")
	require.Contains(t, said, path)
	require.Contains(t, said, "key list")
	require.Equal(t, 1, strings.Count(said, "\n"), said)
}

func TestDeviceGoesWithUSB(t *testing.T) {
	for _, args := range [][]string{
		{"quickstart", "-device", "/dev/hidraw0", "-key", "soft:k"},
		{"quickstart", "-device", "/dev/hidraw0"},
		{"keyagent", "enroll", "-invite", "http://localhost:1/enroll#x", "-device", "/dev/hidraw0", "-key", "remote:s"},
		{"keyagent", "-issuer", "http://localhost:1", "-host", "http://localhost:2", "-device", "/dev/hidraw0", "-key", "remote:s"},
	} {
		_, said, code := call(t, t.TempDir(), args[0], args[1:]...)
		require.Equal(t, 2, code, said)
		require.Contains(t, said, "-key")
	}
}
