package sqlite_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/internal/secret"
	"github.com/lakekey/lakekey/oidc/issuer"
	"github.com/lakekey/lakekey/oidc/issuer/issuertest"
	"github.com/lakekey/lakekey/oidc/issuer/sqlite"
)

func open(t *testing.T, path string) *sqlite.Store {
	t.Helper()
	s, err := sqlite.Open(t.Context(), path)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func TestStore(t *testing.T) {
	t.Run("memory", func(t *testing.T) {
		issuertest.TestStore(t, issuertest.Options{Rounds: 25}, func(t *testing.T) issuer.Store { return open(t, ":memory:") })
	})
	t.Run("file", func(t *testing.T) {
		issuertest.TestStore(t, issuertest.Options{Rounds: 25}, func(t *testing.T) issuer.Store { return open(t, filepath.Join(t.TempDir(), "issuer.db")) })
	})
}

func TestOnlyTheOwnerReadsTheKeys(t *testing.T) {
	path := filepath.Join(t.TempDir(), "issuer.db")
	open(t, path)
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
}

// rounds is how many codes two processes fight for, each with 32 goroutines.
func rounds() int {
	if testing.Short() {
		return 50
	}
	return 1000
}

// TestTwoProcesses lets a second process, this test binary again, redeem the
// same codes at the same time: of 64 takers in two processes one wins each.
func TestTwoProcesses(t *testing.T) {
	if path := os.Getenv("LAKEKEY_TEST_TAKER"); path != "" {
		fight(t, open(t, path), "child")
		return
	}
	path := filepath.Join(t.TempDir(), "issuer.db")
	store := open(t, path)
	for n := range rounds() {
		require.NoError(t, store.AddSession(t.Context(), issuertest.Session(fmt.Sprint("session ", n), code(n))))
	}
	self, err := os.Executable()
	require.NoError(t, err)
	child := exec.CommandContext(t.Context(), self, "-test.run=^TestTwoProcesses$", "-test.v", fmt.Sprint("-test.short=", testing.Short()))
	child.Env = append(os.Environ(), "LAKEKEY_TEST_TAKER="+path)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, child.Start())
	lines := bufio.NewScanner(out)
	for lines.Scan() && !strings.Contains(lines.Text(), "READY") {
	}
	wins := fight(t, store, "parent")
	for lines.Scan() {
		if _, w, ok := strings.Cut(lines.Text(), "WON "); ok {
			var n int
			_, err := fmt.Sscan(w, &n)
			require.NoError(t, err)
			wins[n]++
		}
	}
	require.NoError(t, child.Wait())
	for n := range rounds() {
		require.Equal(t, 1, wins[n], "code %d", n)
	}
}

func code(n int) issuer.Hash { return issuer.HashOf(secret.New(fmt.Sprint("code ", n))) }

func fight(t *testing.T, store *sqlite.Store, name string) map[int]int {
	fmt.Println("READY")
	wins := map[int]int{}
	for n := range rounds() {
		won := issuertest.Race(t, 32, func(taker int) error {
			_, err := store.TakeCode(t.Context(), code(n), issuer.HashOf(secret.New(fmt.Sprint(name, n, taker))), "")
			return err
		})
		if won > 0 {
			wins[n] += won
			if name == "child" {
				fmt.Println("WON", n)
			}
		}
	}
	return wins
}
