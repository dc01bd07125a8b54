package fido_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/fido"
	"github.com/lakekey/lakekey/fido/sqlite"
	"github.com/lakekey/lakekey/internal/secret"
)

// childFile is set in the environment of a test binary that is to be a replica:
// the path of the store. It reads "ceremony response" lines and answers each
// with how many of its goroutines have won.
const childFile = "LAKEKEY_TEST_REPLICA_OF"

func TestReplica(t *testing.T) {
	path := os.Getenv(childFile)
	if path == "" {
		return // it is a part of TestFourProcesses, which runs it in processes of their own
	}
	store, err := sqlite.Open(t.Context(), path)
	require.NoError(t, err)
	rp := party(t, config(), store)
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, 1<<20)
	fmt.Println("ready")
	for in.Scan() {
		ceremony, response, _ := strings.Cut(in.Text(), " ")
		var mu sync.Mutex
		var wg sync.WaitGroup
		won, broken := 0, error(nil)
		for range 8 {
			wg.Go(func() {
				_, err := rp.FinishSignIn(t.Context(), secret.New(ceremony), fido.PurposeSignIn, []byte(response))
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					won++
				} else if !errors.Is(err, fido.ErrCeremonyNotFound) {
					broken = err
				}
			})
		}
		wg.Wait()
		fmt.Println("won", won, broken)
	}
}

type replica struct {
	in  io.Writer
	out *bufio.Scanner
}

func startReplica(t *testing.T, path string) replica {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(self, // ends when its input does
		"-test.run=^TestReplica$", "-test.v=false")
	cmd.Env = append(os.Environ(), childFile+"="+path)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		require.NoError(t, in.Close())
		require.NoError(t, cmd.Wait())
	})
	r := replica{in, bufio.NewScanner(out)}
	require.True(t, r.out.Scan())
	require.Equal(t, "ready", r.out.Text())
	return r
}

// TestFourProcesses races four processes that share one file for each ceremony.
func TestFourProcesses(t *testing.T) {
	rounds := 1000
	if testing.Short() {
		rounds = 20
	}
	path := filepath.Join(t.TempDir(), "keys.db")
	store, err := sqlite.Open(t.Context(), path)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	rp := party(t, config(), store)
	key := newForge(t, fido.EdDSA)
	enrol(t, rp, ana, key)
	replicas := []replica{startReplica(t, path), startReplica(t, path), startReplica(t, path), startReplica(t, path)}
	wins := make([]int, len(replicas))
	for range rounds {
		c := beginSignIn(t, rp, ana)
		line := c.ID.Reveal() + " " + string(key.assert(t, c.Options)) + "\n"
		for _, r := range replicas {
			_, err := io.WriteString(r.in, line)
			require.NoError(t, err)
		}
		total := 0
		for i, r := range replicas {
			require.True(t, r.out.Scan(), "the replica ended")
			var won int
			var broken string
			_, err := fmt.Sscan(r.out.Text(), &broken, &won, &broken)
			require.NoError(t, err, r.out.Text())
			require.Equal(t, "<nil>", broken, r.out.Text())
			total += won
			wins[i] += won
		}
		require.Equal(t, 1, total)
	}
	t.Logf("wins: %v", wins)
	require.Less(t, slices.Max(wins), rounds, "the processes did not race")
}
