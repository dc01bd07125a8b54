//go:build linux

package softkey_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/authenticator/softkey"
)

// tool is a program that this project did not write.
func tool(t *testing.T, name, debianPackage string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("no %s here: apt-get install %s", name, debianPackage)
	}
	return path
}

// command runs a tool and returns what it printed. stdin is what a person types.
func command(t *testing.T, stdin, name string, args ...string) (string, error) {
	t.Helper()
	c := inNewSession(t, name, args...)
	c.Stdin = strings.NewReader(stdin)
	c.Env = append(os.Environ(), "LC_ALL=C")
	out, err := c.CombinedOutput()
	return string(out), err
}

// inNewSession runs a tool without a terminal, so that it reads a PIN from stdin. The
// shell leads the session: a leader that opens the key's pseudo-terminal would get it as
// its own and read the PIN there.
func inNewSession(t *testing.T, name string, args ...string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	c := exec.CommandContext(ctx, "/bin/sh", append([]string{"-c", `"$0" "$@"; exit $?`, name}, args...)...)
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	c.Cancel = func() error { return syscall.Kill(-c.Process.Pid, syscall.SIGKILL) } // the tool too
	return c
}

func run(t *testing.T, stdin, name string, args ...string) string {
	t.Helper()
	out, err := command(t, stdin, name, args...)
	require.NoError(t, err, "%s %q: %s", name, args, out)
	return out
}

func plugPTY(t *testing.T, o softkey.Options) (*softkey.Key, string) {
	t.Helper()
	key, err := softkey.New(o)
	require.NoError(t, err)
	port, err := key.PlugPTY()
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, port.Unplug()) })
	return key, port.Path()
}

func random(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	return base64.StdEncoding.EncodeToString(b)
}

func write(t *testing.T, dir, name string, lines ...string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	require.NoError(t, os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o600))
	return path
}

func lines(t *testing.T, path string) []string {
	t.Helper()
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	return strings.Split(strings.TrimSuffix(string(b), "\n"), "\n")
}

func TestFIDO2Token(t *testing.T) {
	token := tool(t, "fido2-token", "fido2-tools")
	_, path := plugPTY(t, softkey.Options{PIN: []byte("1234")})
	out := run(t, "", token, "-I", path)
	for _, want := range []string{"FIDO_2_0, FIDO_2_1", "credProtect", "clientPin", "maxmsgsiz: 7609", "pin retries: 8"} {
		require.Contains(t, out, want)
	}
	// The PIN is changed by libfido2, and the old one no longer serves.
	run(t, "1234\n56789\n56789\n", token, "-C", path)
	out, err := command(t, "1234\n56789\n56789\n", token, "-C", path)
	require.Error(t, err)
	require.Contains(t, out, "FIDO_ERR_PIN_INVALID")
	require.Contains(t, run(t, "", token, "-I", path), "pin retries: 7")
}

// libfido2 lists, renames and deletes what the key keeps, and knows its fingers.
func TestFIDO2TokenManages(t *testing.T) {
	token := tool(t, "fido2-token", "fido2-tools")
	keygen := tool(t, "ssh-keygen", "openssh-client")
	touched := func(ctx context.Context) error { return ctx.Err() }
	_, path := plugPTY(t, softkey.Options{PIN: []byte("1234"), Fingers: []string{"thumb"}, Verify: touched})
	dir := t.TempDir()
	ask := filepath.Join(dir, "ask")
	require.NoError(t, os.WriteFile(ask, []byte("#!/bin/sh\necho 1234\n"), 0o700))
	make := inNewSession(t, keygen, "-q", "-t", "ecdsa-sk", "-N", "", "-O", "resident", "-O", "device="+path, "-f", filepath.Join(dir, "id"))
	make.Env = append(os.Environ(), "SSH_ASKPASS="+ask, "SSH_ASKPASS_REQUIRE=force")
	made, err := make.CombinedOutput()
	require.NoError(t, err, "%s", made)
	require.Contains(t, run(t, "1234\n", token, "-L", "-r", path), "ssh:")
	listed := run(t, "1234\n", token, "-L", "-k", "ssh:", path)
	require.Contains(t, listed, "openssh")
	require.Contains(t, run(t, "1234\n", token, "-L", "-e", path), "thumb")
	id := regexp.MustCompile(`[A-Za-z0-9+/]{20,}={0,2}`).FindString(listed)
	require.NotEmpty(t, id, listed)
	run(t, "1234\n", token, "-D", "-i", id, path)
	out, _ := command(t, "1234\n", token, "-L", "-r", path)
	require.NotContains(t, out, "ssh:")
}

// A credential is made and used by libfido2, which verifies both itself.
func TestFIDO2CredAssert(t *testing.T) {
	cred, assert := tool(t, "fido2-cred", "fido2-tools"), tool(t, "fido2-assert", "fido2-tools")
	ca, err := softkey.NewCA("lakekey test")
	require.NoError(t, err)
	for name, c := range map[string]struct {
		options softkey.Options
		typed   string
		flags   []string // of both tools
		create  []string
		alg     string
	}{
		"plain":                        {alg: "es256"},
		"ed25519":                      {alg: "eddsa"},
		"resident":                     {alg: "es256", create: []string{"-r"}, flags: []string{"-r"}},
		"PIN":                          {options: softkey.Options{PIN: []byte("1234")}, typed: "1234\n", alg: "es256", flags: []string{"-v"}},
		"PIN, resident":                {options: softkey.Options{PIN: []byte("1234")}, typed: "1234\n", alg: "es256", flags: []string{"-v", "-r"}},
		"hmac-secret":                  {alg: "es256", flags: []string{"-h"}},
		"hmac-secret, PIN":             {options: softkey.Options{PIN: []byte("1234")}, typed: "1234\n", alg: "es256", flags: []string{"-h", "-v"}},
		"attested by a certificate":    {options: softkey.Options{CA: ca}, alg: "es256"},
		"credProtect asks for the PIN": {options: softkey.Options{PIN: []byte("1234")}, typed: "1234\n", alg: "es256", flags: []string{"-v"}, create: []string{"-c", "3"}},
	} {
		t.Run(name, func(t *testing.T) {
			key, path := plugPTY(t, c.options)
			dir := t.TempDir()
			hmac := len(c.flags) > 0 && c.flags[0] == "-h"
			resident := strings.Contains(strings.Join(c.flags, " "), "-r")

			made := filepath.Join(dir, "made")
			args := append([]string{"-M", "-i", write(t, dir, "create", random(32), "example.com", "alice", random(16)), "-o", made}, c.flags...)
			if !resident {
				args = append(args, c.create...)
			}
			run(t, c.typed, cred, append(args, path, c.alg)...)
			public := filepath.Join(dir, "public")
			verify := []string{"-V", "-i", made, "-o", public}
			for _, f := range append(c.flags, c.create...) {
				if f != "-r" { // which -V does not know
					verify = append(verify, f)
				}
			}
			run(t, "", cred, append(verify, c.alg)...)
			saved := lines(t, public)
			pem := write(t, dir, "pem", saved[1:]...)

			request := []string{random(32), "example.com"}
			if !resident {
				request = append(request, saved[0])
			}
			if hmac {
				request = append(request, random(32))
			}
			signed := filepath.Join(dir, "signed")
			args = append([]string{"-G", "-i", write(t, dir, "get", request...), "-o", signed}, c.flags...)
			run(t, c.typed, assert, append(args, path)...)
			verify = []string{"-V", "-i", signed}
			for _, f := range c.flags {
				if f != "-r" {
					verify = append(verify, f)
				}
			}
			run(t, "", assert, append(verify, pem, c.alg)...)
			require.Equal(t, 2, key.Touches())

			// Somebody else's request is not verified by this signature.
			forged := lines(t, signed)
			forged[0] = random(32)
			_, err := command(t, "", assert, "-V", "-i", write(t, dir, "forged", forged...), pem, c.alg)
			require.Error(t, err)
		})
	}
}

func TestSSHKeygen(t *testing.T) {
	keygen := tool(t, "ssh-keygen", "openssh-client")
	for _, kind := range []string{"ecdsa-sk", "ed25519-sk"} {
		t.Run(kind, func(t *testing.T) {
			key, path := plugPTY(t, softkey.Options{})
			file := filepath.Join(t.TempDir(), "id")
			run(t, "", keygen, "-q", "-t", kind, "-N", "", "-O", "device="+path, "-O", "application=ssh:test", "-f", file)
			out := run(t, "", keygen, "-l", "-f", file+".pub")
			require.Contains(t, strings.ToLower(out), kind)
			require.Equal(t, 1, key.Touches())
		})
	}
	t.Run("PIN, resident", func(t *testing.T) {
		_, path := plugPTY(t, softkey.Options{PIN: []byte("1234")})
		dir := t.TempDir()
		// ssh-keygen reads a PIN from a terminal or from this program.
		ask := filepath.Join(dir, "ask")
		require.NoError(t, os.WriteFile(ask, []byte("#!/bin/sh\necho 1234\n"), 0o700))
		c := inNewSession(t, keygen, "-q", "-t", "ecdsa-sk", "-N", "", "-O", "resident", "-O", "verify-required", "-O", "device="+path, "-f", filepath.Join(dir, "id"))
		c.Env = append(os.Environ(), "SSH_ASKPASS="+ask, "SSH_ASKPASS_REQUIRE=force")
		out, err := c.CombinedOutput()
		require.NoError(t, err, "%s", out)
	})
}

// pythonFIDO2 registers and signs in with python-fido2, which verifies both, and prints
// what the key said.
const pythonFIDO2 = `
import os, sys
from fido2.client import DefaultClientDataCollector, Fido2Client, UserInteraction
from fido2.hid import CtapHidDevice
from fido2.hid.base import CtapHidConnection, HidDescriptor
from fido2.server import Fido2Server
from fido2.webauthn import PublicKeyCredentialRpEntity

path = sys.argv[1]

class Line(CtapHidConnection):
    def __init__(self):
        self.fd = os.open(path, os.O_RDWR | os.O_NOCTTY)
    def write_packet(self, packet):
        os.write(self.fd, b"\0" + packet)
    def read_packet(self):
        return os.read(self.fd, 64)
    def close(self):
        os.close(self.fd)

class Person(UserInteraction):
    def request_pin(self, permissions, rp_id):
        return sys.argv[2]

device = CtapHidDevice(HidDescriptor(path, 0, 0, 64, 64, None, None), Line())
client = Fido2Client(device, DefaultClientDataCollector("https://example.com"), user_interaction=Person())
server = Fido2Server(PublicKeyCredentialRpEntity(id="example.com", name="Example"), attestation="direct")
uv = "required" if sys.argv[2] else "discouraged"
options, state = server.register_begin({"id": b"user", "name": "alice"}, user_verification=uv, resident_key_requirement="required")
registered = server.register_complete(state, client.make_credential(options.public_key))
for allow in [registered.credential_data], None:
    options, state = server.authenticate_begin(allow, user_verification=uv)
    response = client.get_assertion(options.public_key).get_response(0)
    server.authenticate_complete(state, [registered.credential_data], response)
print("signed in", client.info.versions)
`

func TestPythonFIDO2(t *testing.T) {
	python := os.Getenv("LAKEKEY_PYTHON")
	if python == "" || exec.CommandContext(t.Context(), python, "-c", "import fido2").Run() != nil {
		t.Skip("no Python with fido2: make a venv, pip install fido2, set LAKEKEY_PYTHON to its python")
	}
	for name, pin := range map[string]string{"no PIN": "", "PIN": "1234"} {
		t.Run(name, func(t *testing.T) {
			o := softkey.Options{}
			if pin != "" {
				o.PIN = []byte(pin)
			}
			key, path := plugPTY(t, o)
			out := run(t, "", python, "-c", pythonFIDO2, path, pin)
			require.Contains(t, out, "signed in ['FIDO_2_0', 'FIDO_2_1']")
			require.Equal(t, 3, key.Touches())
		})
	}
}

// The reports of the pseudo-terminal, as a program sees them without a library.
func TestRawFrames(t *testing.T) {
	_, path := plugPTY(t, softkey.Options{})
	f, err := os.OpenFile(path, os.O_RDWR|syscall.O_NOCTTY, 0)
	require.NoError(t, err)
	defer f.Close()
	say := func(header string, payload ...byte) []byte {
		report := make([]byte, 65)
		copy(report[1:], header)
		copy(report[1+len(header):], payload)
		_, err := f.Write(report)
		require.NoError(t, err)
		answer := make([]byte, 64)
		n, err := f.Read(answer)
		require.NoError(t, err)
		require.Equal(t, 64, n, "a read returns a whole report")
		return bytes.TrimRight(answer, "\x00")
	}
	nonce := []byte("12345678")
	answer := say("\xFF\xFF\xFF\xFF\x86\x00\x08", nonce...)
	require.Equal(t, "\xFF\xFF\xFF\xFF\x86\x00\x1112345678\x00\x00\x00\x01\x02\x01\x00\x00\x0D", string(answer))
	channel := string(answer[15:19])

	refused := func(code byte, header string, payload ...byte) {
		t.Helper()
		want := append([]byte(header[:4]), 0xBF, 0, 1, code)
		require.Equal(t, want, say(header, payload...))
	}
	refused(0x0B, "\x00\x00\x00\x09\x90\x00\x01", 4)                      // a channel that nobody allocated
	refused(0x0B, "\x00\x00\x00\x00\x90\x00\x01", 4)                      // the reserved one
	refused(0x0B, "\xFF\xFF\xFF\xFF\x90\x00\x01", 4)                      // CBOR for everybody
	refused(0x03, "\xFF\xFF\xFF\xFF\x86\x00\x07", nonce...)               // a short nonce
	refused(0x03, channel+"\x90\xFF\xFF")                                 // longer than any message
	refused(0x01, channel+"\xC0\x00\x00")                                 // a vendor's command
	refused(0x01, channel+"\x83\x00\x01", 0)                              // U2F
	refused(0x03, channel+"\x84\x00\x02", 1, 1)                           // a lock of two bytes
	refused(0x02, channel+"\x84\x00\x01", 11)                             // for too long
	require.Equal(t, channel+"\x88", string(say(channel+"\x88\x00\x00"))) // wink

	// The first report of two, then the third: out of sequence.
	first := make([]byte, 65)
	copy(first[1:], channel+"\x81\x00\xFF")
	_, err = f.Write(first)
	require.NoError(t, err)
	refused(0x04, channel+"\x01")
	// Two first reports.
	_, err = f.Write(first)
	require.NoError(t, err)
	refused(0x04, channel+"\x81\x00\xFF")
	// A report that continues nothing is not answered: the next answer is that to the ping.
	stray := make([]byte, 65)
	copy(stray[1:], channel+"\x00")
	_, err = f.Write(stray)
	require.NoError(t, err)
	require.Equal(t, channel+"\x81\x00\x01x", string(say(channel+"\x81\x00\x01", 'x')))

	// A lock keeps other channels out until it ends.
	require.Equal(t, channel+"\x84", string(say(channel+"\x84\x00\x01", 10)))
	other := string(say("\xFF\xFF\xFF\xFF\x86\x00\x08", nonce...)[15:19])
	require.NotEqual(t, channel, other)
	refused(0x06, other+"\x81\x00\x01", 'x')
	require.Equal(t, channel+"\x84", string(say(channel+"\x84\x00\x01", 0)))
	require.Equal(t, other+"\x81\x00\x01x", string(say(other+"\x81\x00\x01", 'x')))
	// INIT on a channel keeps it.
	require.Equal(t, channel, string(say(channel+"\x86\x00\x08", nonce...)[15:19]))
}
