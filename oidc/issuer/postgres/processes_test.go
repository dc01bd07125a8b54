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
	"testing"

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

// TestFourProcesses lets four processes, this test binary again, redeem the same
// codes at the same time: of 64 takers one wins each.
func TestFourProcesses(t *testing.T) {
	if address := os.Getenv(takerOf); address != "" {
		store := open(t, address)
		fmt.Println("READY")
		_, _ = io.ReadAll(os.Stdin) // its end is the start
		fight(t, store)
		return
	}
	address := postgrestest.URL(t)
	store := open(t, address)
	for n := range rounds() {
		require.NoError(t, store.AddSession(t.Context(), issuertest.Session(fmt.Sprint("session ", n), code(n))))
	}
	self, err := os.Executable()
	require.NoError(t, err)
	var takers []*exec.Cmd
	var starts []io.Closer
	var outs []*bufio.Scanner
	for range 4 {
		taker := exec.CommandContext(t.Context(), self, "-test.run=^TestFourProcesses$", "-test.v", fmt.Sprint("-test.short=", testing.Short()))
		taker.Env = append(os.Environ(), takerOf+"="+address)
		taker.Stderr = os.Stderr
		in, err := taker.StdinPipe()
		require.NoError(t, err)
		out, err := taker.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, taker.Start())
		takers, starts, outs = append(takers, taker), append(starts, in), append(outs, bufio.NewScanner(out))
	}
	for _, out := range outs {
		for out.Scan() && !strings.Contains(out.Text(), "READY") {
		}
	}
	for _, start := range starts {
		require.NoError(t, start.Close())
	}
	wins := map[int]int{}
	for i, taker := range takers {
		mine := 0
		for outs[i].Scan() {
			if _, w, ok := strings.Cut(outs[i].Text(), "WON "); ok {
				var n int
				_, err := fmt.Sscan(w, &n)
				require.NoError(t, err)
				wins[n]++
				mine++
			}
		}
		require.NoError(t, taker.Wait())
		if !testing.Short() {
			require.Less(t, mine, rounds(), "the processes did not race")
		}
	}
	for n := range rounds() {
		require.Equal(t, 1, wins[n], "code %d", n)
	}
}

// fight goes for one code after the other with all goroutines.
func fight(t *testing.T, store *postgres.Store) {
	var wg sync.WaitGroup
	for taker := range 16 {
		wg.Go(func() {
			for n := range rounds() {
				refresh := issuer.HashOf(secret.New(fmt.Sprint(os.Getpid(), " ", n, " ", taker)))
				switch _, err := store.TakeCode(t.Context(), code(n), refresh); {
				case err == nil:
					fmt.Println("WON", n)
				case !errors.Is(err, issuer.ErrTaken):
					t.Errorf("code %d: %v", n, err)
				}
			}
		})
	}
	wg.Wait()
}
