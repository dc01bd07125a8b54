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
	"github.com/lakekey/lakekey/fido/postgres"
	"github.com/lakekey/lakekey/fido/sqlite"
	"github.com/lakekey/lakekey/internal/postgrestest"
	"github.com/lakekey/lakekey/internal/secret"
)

// childFile is set in the environment of a test binary that is to be a replica:
// where the store is. It reads "ceremony response" lines and answers each
// with how many of its goroutines have won.
const childFile = "LAKEKEY_TEST_REPLICA_OF"

func TestReplica(t *testing.T) {
	where := os.Getenv(childFile)
	if where == "" {
		return // it is a part of TestFourProcesses, which runs it in processes of their own
	}
	rp := party(t, config(), openShared(t, where))
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, 1<<20)
	fmt.Println("ready")
	for in.Scan() {
		ceremony, response, _ := strings.Cut(in.Text(), " ")
		var mu sync.Mutex
		var wg sync.WaitGroup
		won, broken := 0, error(nil)
		for range 16 {
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

// openShared opens a store that several processes have open: a file, or a database
// on a server.
func openShared(t *testing.T, where string) fido.Store {
	t.Helper()
	if strings.HasPrefix(where, "postgres://") {
		s, err := postgres.Open(t.Context(), where)
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, s.Close()) })
		return s
	}
	s, err := sqlite.Open(t.Context(), where)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func shared(t *testing.T) map[string]string {
	return map[string]string{"sqlite": filepath.Join(t.TempDir(), "keys.db"), "postgres": postgrestest.URL(t)}
}

type replica struct {
	in  io.WriteCloser
	out *bufio.Scanner
	cmd *exec.Cmd
}

func startReplica(t *testing.T, where string) replica {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(self, // ends when its input does
		"-test.run=^TestReplica$", "-test.v=false")
	cmd.Env = append(os.Environ(), childFile+"="+where)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	r := replica{in, bufio.NewScanner(out), cmd}
	require.True(t, r.out.Scan())
	require.Equal(t, "ready", r.out.Text())
	return r
}

func (r replica) end(t *testing.T) {
	t.Helper()
	require.NoError(t, r.in.Close())
	require.NoError(t, r.cmd.Wait())
}

// won reads how many goroutines of the replica were let in by the ceremony that it
// was given; ok is false if it has ended.
func (r replica) won(t *testing.T) (n int, ok bool) {
	t.Helper()
	if !r.out.Scan() {
		return 0, false
	}
	var word, broken string
	_, err := fmt.Sscan(r.out.Text(), &word, &n, &broken)
	require.NoError(t, err, r.out.Text())
	require.Equal(t, "<nil>", broken, r.out.Text())
	return n, true
}

// TestFourProcesses races four processes, with 16 goroutines each, that share one
// store, for each ceremony.
func TestFourProcesses(t *testing.T) {
	rounds := 1000
	if testing.Short() {
		rounds = 20
	}
	for kind, where := range shared(t) {
		t.Run(kind, func(t *testing.T) {
			rp := party(t, config(), openShared(t, where))
			key := newForge(t, fido.EdDSA)
			enrol(t, rp, ana, key)
			replicas := []replica{startReplica(t, where), startReplica(t, where), startReplica(t, where), startReplica(t, where)}
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
					won, ok := r.won(t)
					require.True(t, ok, "the replica ended")
					total += won
					wins[i] += won
				}
				require.Equal(t, 1, total)
			}
			for _, r := range replicas {
				r.end(t)
			}
			t.Logf("wins: %v", wins)
			require.Less(t, slices.Max(wins), rounds, "the processes did not race")
		})
	}
}

// TestProcessesDieInTheMiddle kills one of three processes while all are at one
// ceremony: the others are as good as before, and no ceremony lets in two.
func TestProcessesDieInTheMiddle(t *testing.T) {
	rounds := 20
	if testing.Short() {
		rounds = 3
	}
	for kind, where := range shared(t) {
		t.Run(kind, func(t *testing.T) {
			rp := party(t, config(), openShared(t, where))
			key := newForge(t, fido.EdDSA)
			enrol(t, rp, ana, key)
			staying := []replica{startReplica(t, where), startReplica(t, where)}
			for range rounds {
				dying := startReplica(t, where)
				all := append(slices.Clone(staying), dying)
				killed := make(chan struct{})
				for n := 0; ; n++ {
					c := beginSignIn(t, rp, ana)
					line := c.ID.Reveal() + " " + string(key.assert(t, c.Options)) + "\n"
					for _, r := range all {
						_, _ = io.WriteString(r.in, line) // the one may be dead
					}
					if n == 3 {
						go func() { defer close(killed); _ = dying.cmd.Process.Kill() }()
					}
					total, alive := 0, true
					for _, r := range all {
						won, ok := r.won(t)
						require.True(t, ok || r == dying, "a replica ended")
						total += won
						alive = alive && ok
					}
					require.LessOrEqual(t, total, 1)
					if !alive { // what it won, nobody else has
						break
					}
					require.Equal(t, 1, total)
				}
				<-killed
				require.Error(t, dying.cmd.Wait())
				_, err := signIn(t, rp, ana, key)
				require.NoError(t, err)
			}
			for _, r := range staying {
				r.end(t)
			}
		})
	}
}
