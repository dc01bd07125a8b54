package issuer_test

import (
	"net/http"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/internal/postgrestest"
	"github.com/lakekey/lakekey/oidc/issuer"
	"github.com/lakekey/lakekey/oidc/issuer/issuertest"
	"github.com/lakekey/lakekey/oidc/issuer/postgres"
	"github.com/lakekey/lakekey/oidc/issuer/sqlite"
)

// short is a twentieth of the rounds for a run with -short, which is the one
// under the race detector: that needs no rare interleaving to see a race.
func short(rounds int) int {
	if testing.Short() {
		return max(5, rounds/20)
	}
	return rounds
}

// TestParallelRedemptions: 64 requests with one code, through two replicas,
// each with all that belongs to it. One gets tokens; and because the others
// came, its session is over.
func TestParallelRedemptions(t *testing.T) {
	stores := map[string]struct {
		rounds int
		open   func(t *testing.T) issuer.Store
	}{
		"memory": {1000, func(*testing.T) issuer.Store { return issuer.NewMemoryStore() }},
		"sqlite": {50, func(t *testing.T) issuer.Store { // the store's own tests race 1,000 rounds
			s, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "issuer.db"))
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, s.Close()) })
			return s
		}},
		"postgres": {50, func(t *testing.T) issuer.Store {
			s, err := postgres.Open(t.Context(), postgrestest.URL(t))
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, s.Close()) })
			return s
		}},
	}
	for name, s := range stores {
		t.Run(name, func(t *testing.T) {
			store := s.open(t)
			p := newProvider(t, inStore(store))
			replica, err := issuer.New(t.Context(), issuer.Config{URL: baseURL, Clients: []issuer.Client{{ID: clientID, Audiences: []string{audience}}}, Audit: p.log, Now: p.now}, p.rp, store)
			require.NoError(t, err)
			for round := range short(s.rounds) {
				raceRedemption(t, round, p, replica)
			}
		})
	}
}

func raceRedemption(t *testing.T, round int, p *provider, replica http.Handler) {
	t.Helper()
	c := newPerson(t, p)
	form := c.redemption(c.code(t))
	proofs := make([]string, 64)
	for n := range proofs {
		proofs[n] = c.proof()
	}
	var token atomic.Pointer[string]
	won := issuertest.Race(t, len(proofs), func(n int) error {
		h := http.Handler(p)
		if n%2 == 1 {
			h = replica
		}
		a := post(t, h, tokenURL, form, proofs[n])
		if a.status != http.StatusOK {
			return issuer.ErrTaken
		}
		refresh := a.text("refresh_token")
		token.Store(&refresh)
		return nil
	})
	require.Equal(t, 1, won, "round %d", round)
	c.refresh(t, *token.Load()).refused(t, 400, "invalid_grant")
}

// One proof sent 64 times at once refreshes once.
func TestParallelReplaysOfAProof(t *testing.T) {
	p := newProvider(t)
	c := newPerson(t, p)
	form := c.refreshment(c.signIn(t).text("refresh_token"))
	for round := range short(200) {
		proof := c.proof()
		won := issuertest.Race(t, 64, func(int) error {
			if post(t, p, tokenURL, form, proof).status != http.StatusOK {
				return issuer.ErrTaken
			}
			return nil
		})
		require.Equal(t, 1, won, "round %d", round)
	}
}

// One auth_session answered 64 times at once gives one code.
func TestParallelAnswers(t *testing.T) {
	p := newProvider(t)
	for round := range short(200) {
		c := newPerson(t, p)
		session := c.begin(t).text("auth_session")
		won := issuertest.Race(t, 64, func(int) error {
			if c.finish(t, session).status != http.StatusOK {
				return issuer.ErrTaken
			}
			return nil
		})
		require.Equal(t, 1, won, "round %d", round)
	}
}
