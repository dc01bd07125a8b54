package postgres_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/internal/postgrestest"
	"github.com/lakekey/lakekey/internal/secret"
	"github.com/lakekey/lakekey/oidc/issuer"
	"github.com/lakekey/lakekey/oidc/issuer/issuertest"
	"github.com/lakekey/lakekey/oidc/issuer/postgres"
)

// rounds is how many codes four processes fight for, each with 16 goroutines.
func rounds() int {
	if testing.Short() {
		return 50
	}
	return 1000
}

func code(n int) issuer.Hash { return issuer.HashOf(secret.New(fmt.Sprint("code ", n))) }

// takerOf is set in the environment of a test binary that is to be one of the four:
// the address of the database.
const takerOf = "LAKEKEY_TEST_TAKER"

// taker is another process that redeems the codes it is told of.
type taker struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Scanner
}

// say tells the taker to go for a code.
func (k taker) say(t *testing.T, n int) {
	t.Helper()
	_, err := fmt.Fprintln(k.in, n)
	require.NoError(t, err)
}

// hear reads the taker's next line.
func (k taker) hear(t *testing.T) string {
	t.Helper()
	for k.out.Scan() {
		if line, ok := strings.CutPrefix(k.out.Text(), "TAKER "); ok {
			return line
		}
	}
	t.Fatal("a taker has ended")
	return ""
}

func refresh(n int) issuer.Hash { return issuer.HashOf(secret.New(fmt.Sprint("refresh ", n))) }

// TestFourProcesses lets four processes, this test binary again, redeem the same
// codes at the same time, and replace the same refresh tokens: of 64 takers one wins
// each.
func TestFourProcesses(t *testing.T) {
	if address := os.Getenv(takerOf); address != "" {
		take(t, open(t, address))
		return
	}
	address := postgrestest.URL(t)
	store := open(t, address)
	self, err := os.Executable()
	require.NoError(t, err)
	var takers []taker
	for range 4 {
		cmd := exec.CommandContext(t.Context(), self, "-test.run=^TestFourProcesses$", "-test.v")
		cmd.Env = append(os.Environ(), takerOf+"="+address)
		cmd.Stderr = os.Stderr
		in, err := cmd.StdinPipe()
		require.NoError(t, err)
		out, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		takers = append(takers, taker{cmd, in, bufio.NewScanner(out)})
	}
	for _, k := range takers {
		require.Equal(t, "READY", k.hear(t))
	}
	wins := make([]int, len(takers))
	for n := range rounds() {
		require.NoError(t, store.AddSession(t.Context(), issuertest.Session(fmt.Sprint("session ", n), code(n))))
		require.NoError(t, store.AddSession(t.Context(), issuertest.Session(fmt.Sprint("family ", n), code(-1-n))))
		_, err := store.TakeCode(t.Context(), code(-1-n), refresh(n), "")
		require.NoError(t, err)
		// Each has its turn to hear first: the first to hear often wins.
		for i := range takers {
			takers[(n+i)%len(takers)].say(t, n)
		}
		total, replaced := 0, 0
		for i, k := range takers {
			var won, changed int
			_, err := fmt.Sscanf(k.hear(t), "WON %d %d", &won, &changed)
			require.NoError(t, err)
			wins[i] += won
			total += won
			replaced += changed
		}
		require.Equal(t, []int{1, 1}, []int{total, replaced}, "code and refresh token %d", n)
	}
	for _, k := range takers {
		require.NoError(t, k.in.Close())
		for k.out.Scan() { // to its end, which Wait wants read
		}
		require.NoError(t, k.cmd.Wait())
	}
	t.Logf("wins: %v", wins)
}

// take goes for each code it hears of with 16 goroutines, and says how many won.
func take(t *testing.T, store *postgres.Store) {
	fmt.Println("TAKER READY")
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		var n int
		_, err := fmt.Sscan(in.Text(), &n)
		require.NoError(t, err)
		var wg sync.WaitGroup
		var won, changed atomic.Int64
		for goroutine := range 16 {
			wg.Go(func() {
				next := issuer.HashOf(secret.New(fmt.Sprint(os.Getpid(), " ", n, " ", goroutine)))
				switch _, err := store.TakeCode(t.Context(), code(n), next, ""); {
				case err == nil:
					won.Add(1)
				case !errors.Is(err, issuer.ErrTaken):
					t.Errorf("code %d: %v", n, err)
				}
				next = issuer.HashOf(secret.New(fmt.Sprint("next ", os.Getpid(), " ", n, " ", goroutine)))
				switch err := store.ReplaceRefresh(t.Context(), refresh(n), next, time.Now()); {
				case err == nil:
					changed.Add(1)
				case !errors.Is(err, issuer.ErrTaken):
					t.Errorf("refresh token %d: %v", n, err)
				}
			})
		}
		wg.Wait()
		fmt.Println("TAKER WON", won.Load(), changed.Load())
	}
}
