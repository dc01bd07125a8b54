package keyring_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/oidc/keep"
	"github.com/lakekey/lakekey/oidc/keyring"
)

const insideVariable = "LAKEKEY_TEST_KEYRING"

// desktop runs this test binary's TestInside on a session bus of its own with
// GNOME Keyring, or, if that is not to be there, without.
func desktop(t *testing.T, home, what string, withKeyring bool) string {
	t.Helper()
	for _, program := range []string{"dbus-run-session", "gnome-keyring-daemon"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("%s is not installed (apt-get install dbus gnome-keyring), so no keyring was tried", program)
		}
	}
	script := `"$0" -test.run='^TestInside$' -test.count=1`
	if withKeyring {
		script = `printf 'a password' | gnome-keyring-daemon --unlock --components=secrets >/dev/null; ` + script
	}
	cmd := exec.CommandContext(t.Context(), "dbus-run-session", "--", "sh", "-c", script, os.Args[0])
	cmd.Env = append(os.Environ(), "HOME="+home, "XDG_DATA_HOME="+home+"/data", "XDG_RUNTIME_DIR="+home+"/run", "XDG_CACHE_HOME="+home+"/cache", insideVariable+"="+what)
	require.NoError(t, os.MkdirAll(home+"/run", 0o700))
	// Into a file: a pipe would be waited for as long as a daemon has it open.
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	require.NoError(t, err)
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	err = cmd.Run()
	stopThoseOf(home)
	out, unread := os.ReadFile(log.Name())
	require.NoError(t, errors.Join(err, unread), "%s", out)
	for line := range strings.Lines(string(out)) {
		if _, said, ok := strings.Cut(line, "said: "); ok { // others talk, too
			return strings.TrimSpace(said)
		}
	}
	t.Fatalf("nothing was said: %s", out)
	return ""
}

// stopThoseOf ends the processes whose home that is: a keyring that the bus started
// can outlive it.
func stopThoseOf(home string) {
	all, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, file := range all {
		vars, err := os.ReadFile(file)
		if err != nil || !slices.Contains(strings.Split(string(vars), "\x00"), "HOME="+home) {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file))); err == nil {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
}

// TestInside is what runs on that bus.
func TestInside(t *testing.T) {
	what := os.Getenv(insideVariable)
	if what == "" {
		return // not on a bus of our own
	}
	say := func(text string, err error) {
		if err != nil {
			text = "error: " + strings.ReplaceAll(err.Error(), "\n", " ")
		}
		fmt.Println("said: " + text)
	}
	switch what {
	case "key":
		key, err := keyring.Key{}.Key(t.Context())
		say(base64.StdEncoding.EncodeToString(key), err)
	case "other":
		key, err := keyring.Key{Account: "another"}.Key(t.Context())
		say(base64.StdEncoding.EncodeToString(key), err)
	case "keep":
		store, err := keep.Open(t.Context(), filepath.Join(os.Getenv("HOME"), "sessions"), keyring.Key{})
		say(fmt.Sprint(store), err)
	case "late":
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := keyring.Key{}.Key(ctx)
		say("", err)
	}
}

func TestKeyring(t *testing.T) {
	home := t.TempDir()
	key := desktop(t, home, "key", true)
	require.Len(t, key, 44, key)
	require.Equal(t, key, desktop(t, home, "key", true), "the next login finds another key")
	require.NotEqual(t, key, desktop(t, home, "other", true))
	require.Contains(t, desktop(t, home, "keep", true), "sealed sessions in")
	require.Contains(t, desktop(t, home, "late", true), "context canceled")
}

// A machine without a keyring says so at once.
func TestNoKeyring(t *testing.T) {
	home := t.TempDir()
	// Started by the bus, GNOME Keyring would be there after all: not where it
	// cannot find its service file.
	t.Setenv("XDG_DATA_DIRS", home)
	said := desktop(t, home, "keep", false)
	require.Contains(t, said, "error: keep: taking the key that seals sessions: keyring: using the keyring of this machine")
}
