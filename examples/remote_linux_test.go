package examples_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/internal/sshdtest"
)

// keyMachine is where the key is: a virtual USB key, a person, and key serve.
type keyMachine struct {
	key, serve *process
	socket     string
}

// socketFolder is short, as a socket's path is.
func socketFolder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "lk")
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func newKeyMachine(t *testing.T, answer string, args ...string) *keyMachine {
	t.Helper()
	path, key := virtualKey(t, usbPIN)
	m := &keyMachine{key: key}
	person := newDesk(t)
	m.serve = startAt(t, person.tty, t.TempDir(), "key", append([]string{"serve", "-socket", filepath.Join(socketFolder(t), "key.sock"), "-rp", "localhost", "-device", path}, args...)...)
	person.answers(t, m.serve, map[string]string{"Type y for yes: ": answer, "PIN of ": usbPIN})
	m.socket = m.serve.line(t)
	return m
}

// A program signs in with a key that another process has, whose person is asked there.
func TestKeyServe(t *testing.T) {
	w := newWorld(t)
	m := newKeyMachine(t, "y", "-allow-create", "-rp", "login.example.org")
	_, said, code := call(t, w.client, "keyagent", "enroll", "-invite", w.invite(t), "-key", "remote:"+m.socket)
	require.Zero(t, code, said)
	require.Contains(t, m.serve.errs.String(), "ssh -R /home/YOU/lakekey.sock:"+m.socket)
	w.key = "remote:" + m.socket
	agent, vars := w.agent(t)
	require.NotEmpty(t, w.token(t, vars))
	m.key.says(t, 2, "touched")
	m.serve.says(t, 2, "Type y for yes: ")
	m.serve.says(t, 2, "PIN of ")
	host, err := os.Hostname()
	require.NoError(t, err)
	m.serve.says(t, 1, "Signed in.")
	shown := m.serve.errs.String()
	require.Contains(t, shown, "runs on "+host+" asks to register your key with localhost, for "+w.issuer)
	require.Contains(t, shown, "runs on "+host+" asks to sign in to localhost, for "+w.issuer)
	for _, text := range []string{said, agent.errs.String()} {
		require.NotContains(t, text, usbPIN)
		require.NotContains(t, text, "PIN", "the person is asked beside the key only")
	}
	agent.interrupt(t)
	m.serve.interrupt(t)
	require.NoFileExists(t, m.socket)
	_, said, code = call(t, w.client, "keyagent", "-issuer", w.issuer, "-host", w.host, "-key", w.key)
	require.Equal(t, 1, code)
	require.Contains(t, said, "ssh -R")
}

// What was not allowed at the start is not asked for, and a no is a no.
func TestKeyServeRefuses(t *testing.T) {
	w := newWorld(t)
	m := newKeyMachine(t, "n")
	_, said, code := call(t, w.client, "keyagent", "enroll", "-invite", w.invite(t), "-key", "remote:"+m.socket)
	require.Equal(t, 1, code)
	require.Contains(t, said, "not allowed by the machine with the key")
	require.Zero(t, m.serve.count("Type y for yes: "))

	w.key = "remote:" + m.socket
	_, said, code = call(t, w.client, "keyagent", "-issuer", w.issuer, "-host", w.host, "-key", w.key)
	require.Equal(t, 1, code)
	require.Contains(t, said, "denied beside the key")
	m.serve.says(t, 1, "Refused.")
	require.Zero(t, m.key.count("touched"))
	require.Zero(t, m.serve.count("PIN of "))

	// The no lasts: whoever asks again at once is told so, and the person is not.
	_, said, code = call(t, w.client, "keyagent", "-issuer", w.issuer, "-host", w.host, "-key", w.key)
	require.Equal(t, 1, code)
	require.Contains(t, said, "it may be asked again in")
	m.serve.says(t, 1, "Type y for yes: ")
	m.serve.interrupt(t)
}

// Without a terminal nobody can be asked, which is a no and says so.
func TestKeyServeWithoutTerminal(t *testing.T) {
	w := newWorld(t)
	path, key := virtualKey(t, usbPIN)
	serve := start(t, t.TempDir(), "key", "serve", "-socket", filepath.Join(socketFolder(t), "key.sock"), "-rp", "localhost", "-device", path)
	socket := serve.line(t)
	_, said, code := call(t, w.client, "keyagent", "-issuer", w.issuer, "-host", w.host, "-key", "remote:"+socket)
	require.Equal(t, 1, code)
	require.Contains(t, said, "denied beside the key")
	serve.says(t, 1, "-no-question")
	require.Zero(t, key.count("touched"))
}

// The real thing: sshd, ssh -R, and keyagent on the far side of it.
func TestKeyServeOverSSH(t *testing.T) {
	w := newWorld(t)
	sshd := sshdtest.Start(t)
	m := newKeyMachine(t, "y", "-allow-create")
	far := filepath.Join(socketFolder(t), "far.sock")
	end := sshd.Forward(t, far, m.socket)
	_, said, code := call(t, w.client, "keyagent", "enroll", "-invite", w.invite(t), "-key", "remote:"+far)
	require.Zero(t, code, said)
	end()

	// As a person does it: one ssh that forwards the key and runs a program over there.
	far = filepath.Join(socketFolder(t), "far.sock")
	agent := strings.Join([]string{filepath.Join(bin(t), "keyagent"), "exec", "-issuer", w.issuer, "-host", w.host, "-key", "remote:" + far, "--", "env"}, " ")
	out, err := sshd.Command([]string{"-R", far + ":" + m.socket}, agent).CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), "DATABRICKS_HOST="+w.host+"\n")
	require.Contains(t, string(out), "SSH_CONNECTION=", "it ran over there")
	m.key.says(t, 2, "touched")
	m.serve.says(t, 1, "Signed in.")
	require.NotContains(t, string(out), usbPIN)
	require.Equal(t, 1, w.audited(t, "ceremony.finished", "sign-in"), "by the provider's own count")
}
