package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/authenticator"
	"github.com/lakekey/lakekey/authenticator/softkey"
	"github.com/lakekey/lakekey/authenticator/terminal"
)

// typist is a console at which the answers are typed in advance.
type typist struct {
	*terminal.UI
	secrets, lines []string
	asked          []string
}

func (c *typist) ReadSecret(_ context.Context, prompt string) ([]byte, error) {
	c.asked = append(c.asked, prompt)
	if len(c.secrets) == 0 {
		return nil, terminal.ErrNotTerminal
	}
	s := c.secrets[0]
	c.secrets = c.secrets[1:]
	return []byte(s), nil
}

func (c *typist) PIN(ctx context.Context, p authenticator.PINPrompt) ([]byte, error) {
	return c.ReadSecret(ctx, "PIN for "+p.RPID)
}

func (c *typist) ReadLine(context.Context, string) (string, error) {
	if len(c.lines) == 0 {
		return "", terminal.ErrNotTerminal
	}
	s := c.lines[0]
	c.lines = c.lines[1:]
	return s, nil
}

type said struct {
	out, err string
	code     int
}

func key(t *testing.T, c *typist, args ...string) said {
	t.Helper()
	var out, errs bytes.Buffer
	c.UI = terminal.New(nil, &errs)
	code := run(t.Context(), args, c, &out, &errs)
	return said{out.String(), errs.String(), code}
}

func TestOwner(t *testing.T) {
	dir := t.TempDir()
	device := "soft:" + filepath.Join(dir, "key.json")
	good := func(secrets []string, args ...string) string {
		t.Helper()
		s := key(t, &typist{secrets: secrets}, append(args, "-device", device)...)
		require.Zero(t, s.code, s.err)
		return s.out
	}
	bad := func(secrets []string, want string, args ...string) {
		t.Helper()
		s := key(t, &typist{secrets: secrets}, append(args, "-device", device)...)
		require.Equal(t, 1, s.code, s.out)
		require.Contains(t, s.err, want)
		require.Empty(t, s.out)
	}
	pin := []string{"1234"}
	require.Contains(t, good(nil, "list"), "software key")
	require.Contains(t, good(nil, "info"), "none yet; at least 4 characters")
	bad(nil, "key pin set gives it one", "credentials")
	bad([]string{"1234", "1235"}, "not the same", "pin", "set")
	bad([]string{"12", "12"}, "at least 4 characters", "pin", "set")
	bad(nil, "not a terminal", "pin", "set")
	good([]string{"1234", "1234"}, "pin", "set")
	bad([]string{"1234", "1234"}, "key pin change", "pin", "set")
	bad([]string{"9999", "5678", "5678"}, "7 left", "pin", "change")
	require.Contains(t, good(nil, "pin"), "tries left: 7")
	good([]string{"1234", "5678", "5678"}, "pin", "change")
	good([]string{"5678", "1234", "1234"}, "pin", "change")

	made := filepath.Join(dir, "credential.json")
	require.NoError(t, os.WriteFile(made, []byte(good(pin, "register", "-rp", "example.org", "-name", "ada", "-resident")), 0o600))
	require.Contains(t, good(pin, "sign", "-credential", made), `"signature_verified": true`)
	require.Contains(t, good(pin, "sign", "-rp", "example.org"), `"user_verified": true`)
	bad(nil, "not what key register printed", "sign", "-credential", filepath.Join(dir, "key.json"))
	bad(nil, "no such file", "sign", "-credential", filepath.Join(dir, "nothing"))
	bad(pin, "not registered", "sign", "-rp", "example.com")

	// The public key of another registration does not verify this one's signature.
	other := good(pin, "register", "-rp", "example.org", "-name", "bob")
	forged := strings.Replace(string(must(os.ReadFile(made))), publicKey(t, string(must(os.ReadFile(made)))), publicKey(t, other), 1)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "forged.json"), []byte(forged), 0o600))
	bad(pin, "does not verify", "sign", "-credential", filepath.Join(dir, "forged.json"))

	listed := good(pin, "credentials")
	require.Contains(t, listed, `example.org  "ada"`)
	require.Equal(t, 1, strings.Count(listed, "\n"))
	id := listed[:8]
	bad(pin, "begins with ffffffffff", "credentials", "delete", "ffffffffff")
	good(pin, "credentials", "rename", id, "-name", "eve")
	require.Contains(t, good(pin, "credentials", "list"), `"eve"`)
	good(pin, "credentials", "delete", id)
	require.Empty(t, good(pin, "credentials"))
	bad(pin, "no fingerprint sensor", "fingerprints")

	s := key(t, &typist{lines: []string{"no"}}, "reset", "-device", device)
	require.Equal(t, 1, s.code)
	require.Contains(t, s.err, "nothing was reset")
	s = key(t, &typist{lines: []string{"reset"}}, "reset", "-device", device)
	require.Zero(t, s.code, s.err)
	require.Contains(t, good(nil, "info"), "none yet")
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func publicKey(t *testing.T, text string) string {
	t.Helper()
	_, rest, found := strings.Cut(text, `"public_key": "`)
	require.True(t, found)
	value, _, _ := strings.Cut(rest, `"`)
	return value
}

// fixed is a program on keys of a test.
func fixed(keys ...authenticator.Device) authenticator.Source { return authenticator.Devices(keys...) }

func TestFingers(t *testing.T) {
	soft, err := softkey.New(softkey.Options{PIN: []byte("1234"), Verify: func(context.Context) error { return nil }})
	require.NoError(t, err)
	d := authenticator.NewCTAP2(soft, authenticator.Descriptor{})
	do := func(c config) (string, error) {
		var out, errs bytes.Buffer
		p := &program{config: c, console: &typist{secrets: []string{"1234"}}, stdout: &out, stderr: &errs, source: fixed(d)}
		err := p.run(t.Context())
		return out.String(), err
	}
	out, err := do(config{command: "fingerprints", action: "enroll", name: "thumb"})
	require.NoError(t, err)
	id := out[:6]
	_, err = do(config{command: "fingerprints", action: "rename", id: id, name: "left"})
	require.NoError(t, err)
	out, err = do(config{command: "fingerprints"})
	require.NoError(t, err)
	require.Contains(t, out, `"left"`)
	_, err = do(config{command: "fingerprints", action: "delete", id: id})
	require.NoError(t, err)
	out, err = do(config{command: "fingerprints", action: "list"})
	require.NoError(t, err)
	require.Empty(t, out)
}

func TestSeveralKeysNeedAName(t *testing.T) {
	p := &program{config: config{command: "info"}, source: fixed(
		authenticator.NewCTAP2(nil, authenticator.Descriptor{Path: "/dev/a"}), authenticator.NewCTAP2(nil, authenticator.Descriptor{Path: "/dev/b"}))}
	require.ErrorContains(t, p.run(t.Context()), "-device /dev/a or /dev/b")
}

func TestResetTooLate(t *testing.T) {
	now := time.Unix(1e9, 0)
	soft, err := softkey.New(softkey.Options{Now: func() time.Time { return now }})
	require.NoError(t, err)
	now = now.Add(time.Minute)
	p := &program{config: config{command: "reset"}, console: &typist{lines: []string{"reset"}}, stdout: &bytes.Buffer{}, stderr: &bytes.Buffer{},
		source: fixed(authenticator.NewCTAP2(soft, authenticator.Descriptor{}))}
	err = p.run(t.Context())
	require.ErrorIs(t, err, authenticator.Status(0x30))
	require.Contains(t, advice(err), "unplug it")
}

func TestCommandLine(t *testing.T) {
	for args, want := range map[string]string{
		"":                                 "which command",
		"frobnicate":                       `no command "frobnicate"`,
		"pin eat":                          `no command "pin eat"`,
		"credentials delete":               "name an ID",
		"credentials rename ab":            "-name is missing",
		"info x y":                         `no command "info x"`,
		"list -x":                          "not defined",
		"list -device /nowhere a":          "unexpected argument",
		"pin set ab":                       "unexpected argument",
		"list -rp a.example -rp b.example": "only serve takes several",
		"list -allow-create":               "are for serve",
		"serve":                            "-socket is missing",
		"serve -socket key.sock":           "-rp is missing",
		"info -backend nfc":                "there are hid and libfido2",
		"credentials list -backend 9p":     "there are hid and libfido2",
	} {
		s := key(t, &typist{}, strings.Fields(args)...)
		require.Equal(t, 2, s.code, args)
		require.Contains(t, s.err, want)
		require.Contains(t, s.err, "key -h")
	}
	for _, args := range [][]string{{"-h"}, {"help"}, {"pin", "-h"}} {
		s := key(t, &typist{}, args...)
		require.Zero(t, s.code)
		require.Contains(t, s.err, "key reset")
	}
	s := key(t, &typist{}, "info", "-device", "/nowhere/at/all")
	require.Equal(t, 1, s.code)
	require.Contains(t, s.err, "/nowhere/at/all")
}

func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var errs bytes.Buffer
	code := run(ctx, []string{"info", "-device", "soft:" + filepath.Join(t.TempDir(), "k")}, &typist{UI: terminal.New(nil, &errs)}, &errs, &errs)
	require.Equal(t, 130, code)
	require.Contains(t, errs.String(), "interrupted")
	require.True(t, errors.Is(ctx.Err(), context.Canceled))
}

// A key that wants to draw on the terminal.
func TestNothingThatAKeySaysIsObeyed(t *testing.T) {
	soft, err := softkey.New(softkey.Options{})
	require.NoError(t, err)
	defer soft.Close()
	var out, errs bytes.Buffer
	named := func(product string) *program {
		d := authenticator.NewCTAP2(soft, authenticator.Descriptor{Path: "/dev/hidraw0", Product: product})
		return &program{stdout: &out, stderr: &errs, source: authenticator.Devices(d)}
	}
	p := named("Key\x1b[2J\x1b]0;owned\a\r\nversions  none\u202e")
	require.NoError(t, p.list(t.Context()))
	require.NoError(t, p.info(t.Context()))
	p.print("%s %v %d %s\n", "evil\x1b[1A.example", errors.New("no\x9b2J\u200b"), 7, []byte("as\nit is"))
	p.tell("%q\n", "a\u2066b")
	require.Equal(t, 1, strings.Count(out.String(), "\nversions"))
	require.Contains(t, out.String(), "evil[1A.example no2J 7 as\nit is\n")
	require.Equal(t, "\"ab\"\n", errs.String())
	require.False(t, strings.ContainsFunc(out.String(), func(r rune) bool { return r != '\n' && !unicode.IsPrint(r) }), "%q", out.String())
}
