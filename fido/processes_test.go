package fido_test

import (
	"bufio"
	"context"
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
// where the store is. It reads "ceremony response" lines. For each it says "door"
// when all of its goroutines are about to take the ceremony, waits for a line more,
// and answers with how many of them have won.
const childFile = "LAKEKEY_TEST_REPLICA_OF"

// finishers is how many goroutines of a replica are at one ceremony.
const finishers = 16

// door is a store at which those who come to take a ceremony wait for each other.
type door struct {
	fido.Store
	round *round
}

type round struct {
	arrived sync.WaitGroup
	open    chan struct{}
}

func (d *door) TakeCeremony(ctx context.Context, id fido.Hash) (fido.CeremonyRecord, error) {
	r := d.round
	r.arrived.Done()
	<-r.open
	return d.Store.TakeCeremony(ctx, id)
}

func TestReplica(t *testing.T) {
	where := os.Getenv(childFile)
	if where == "" {
		return // it is a part of TestFourProcesses, which runs it in processes of their own
	}
	store := &door{Store: openShared(t, where)}
	rp := party(t, config(), store)
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, 1<<20)
	fmt.Println("ready")
	for in.Scan() {
		ceremony, response, _ := strings.Cut(in.Text(), " ")
		var mu sync.Mutex
		var wg sync.WaitGroup
		won, broken := 0, error(nil)
		store.round = &round{open: make(chan struct{})}
		store.round.arrived.Add(finishers)
		for range finishers {
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
		store.round.arrived.Wait()
		fmt.Println("door")
		if !in.Scan() {
			break
		}
		close(store.round.open)
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

// contend gives replicas a ceremony and lets all of their goroutines at it when the
// last one stands at the door: so they race, whoever is fast. It reports who won how
// often, and for each whether it was there to say so.
func contend(t *testing.T, replicas []replica, ceremony string, response []byte, meanwhile func()) (wins []int, alive []bool) {
	t.Helper()
	say := func(line string) {
		for _, r := range replicas {
			_, _ = io.WriteString(r.in, line) // one may be dead
		}
	}
	wins, alive = make([]int, len(replicas)), make([]bool, len(replicas))
	say(ceremony + " " + string(response) + "\n")
	for i, r := range replicas {
		if alive[i] = r.out.Scan(); alive[i] {
			require.Equal(t, "door", r.out.Text())
		}
	}
	meanwhile()
	say("open\n")
	for i, r := range replicas {
		if alive[i] {
			wins[i], alive[i] = r.won(t)
		}
	}
	return wins, alive
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
	t.Parallel()
	rounds := 1000
	if testing.Short() {
		rounds = 20
	}
	for kind, where := range shared(t) {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			rp := party(t, config(), openShared(t, where))
			key := newForge(t, fido.EdDSA)
			enrol(t, rp, ana, key)
			replicas := []replica{startReplica(t, where), startReplica(t, where), startReplica(t, where), startReplica(t, where)}
			all := make([]int, len(replicas))
			for range rounds {
				c := beginSignIn(t, rp, ana)
				wins, alive := contend(t, replicas, c.ID.Reveal(), key.assert(t, c.Options), func() {})
				require.NotContains(t, alive, false, "a replica ended")
				total := 0
				for i, won := range wins {
					total += won
					all[i] += won
				}
				require.Equal(t, 1, total)
			}
			for _, r := range replicas {
				r.end(t)
			}
			t.Logf("wins: %v", all)
		})
	}
}

// TestProcessesDieInTheMiddle kills one of three processes while all are at one
// ceremony: the others are as good as before, and no ceremony lets in two.
func TestProcessesDieInTheMiddle(t *testing.T) {
	t.Parallel()
	rounds := 20
	if testing.Short() {
		rounds = 3
	}
	for kind, where := range shared(t) {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
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
					wins, alive := contend(t, all, c.ID.Reveal(), key.assert(t, c.Options), func() {
						if n == 3 {
							go func() { defer close(killed); _ = dying.cmd.Process.Kill() }()
						}
					})
					require.True(t, alive[0] && alive[1], "a replica ended")
					total := wins[0] + wins[1] + wins[2]
					require.LessOrEqual(t, total, 1)
					if !alive[2] { // what it won, nobody else has
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
