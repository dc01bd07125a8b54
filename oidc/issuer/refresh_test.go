package issuer_test

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/internal/secret"
	"github.com/lakekey/lakekey/oidc/issuer"
	"github.com/lakekey/lakekey/oidc/issuer/issuertest"
)

// descend refreshes n times and returns every refresh token on the way.
func (c *person) descend(t testing.TB, n int) []string {
	t.Helper()
	family := []string{c.signIn(t).text("refresh_token")}
	for k := range n {
		a := c.refresh(t, family[k])
		require.Equal(t, 200, a.status, "%v", a.body)
		require.NotContains(t, family, a.text("refresh_token"))
		family = append(family, a.text("refresh_token"))
	}
	return family
}

// A client whose answer was lost asks again, however much later, and gets the
// token that it should have had.
func TestRefreshRetry(t *testing.T) {
	p := newProvider(t)
	c := newPerson(t, p)
	family := c.descend(t, 1)
	for range 3 {
		p.pass(time.Hour)
		a := c.refresh(t, family[0])
		require.Equal(t, 200, a.status, "%v", a.body)
		require.Equal(t, family[1], a.text("refresh_token"))
	}
	require.Equal(t, 200, c.refresh(t, family[1]).status)
}

// Once the successor is in use, one that was used before is taken for a minute,
// and then for a copy: the whole family is over.
func TestRefreshReuse(t *testing.T) {
	p := newProvider(t)
	c := newPerson(t, p)
	family := c.descend(t, 2)
	p.pass(time.Minute)
	a := c.refresh(t, family[0])
	require.Equal(t, 200, a.status, "%v", a.body)
	require.Equal(t, family[1], a.text("refresh_token"))
	before := len(p.events(t))

	p.pass(time.Nanosecond)
	c.refresh(t, family[0]).refused(t, 400, "invalid_grant")
	for _, token := range family {
		c.refresh(t, token).refused(t, 400, "invalid_grant")
	}
	require.Equal(t, []string{"session.end ok", "token.refresh denied", "token.refresh denied", "token.refresh denied", "token.refresh denied"}, p.events(t)[before:])
	var reasons []any
	for _, r := range p.records(t) {
		if event := r["event"].(map[string]any); event["type"] == "session.end" {
			reasons = append(reasons, event["reason"])
		}
	}
	require.Equal(t, []any{"its refresh token was used twice"}, reasons)
}

// A refresh token in other hands is no use there, however old, and does not end its
// owner's day.
func TestOldRefreshTokenInOtherHands(t *testing.T) {
	p := newProvider(t)
	c := newPerson(t, p)
	family := c.descend(t, 3)
	p.pass(time.Hour)
	for _, token := range family {
		post(t, p, tokenURL, c.refreshment(token), newDPoPKey(t).proof(tokenURL, p.now())).refused(t, 400, "invalid_grant")
		post(t, p, tokenURL, c.refreshment(token)).refused(t, 400, "invalid_dpop_proof")
		post(t, p, tokenURL, c.refreshment(token, "client_id", "second"), c.proof()).refused(t, 400, "invalid_grant")
	}
	require.Equal(t, 200, c.refresh(t, family[3]).status)
}

// A refresh that comes to nothing uses up nothing.
func TestRefreshThatFails(t *testing.T) {
	s := &watchedRefresh{Store: issuer.NewMemoryStore(), broken: errors.New("disk")}
	p := newProvider(t, inStore(s))
	c := newPerson(t, p)
	token := c.signIn(t).text("refresh_token")
	c.refresh(t, token).refused(t, http.StatusServiceUnavailable, "temporarily_unavailable")
	s.broken = nil
	p.pass(time.Hour)
	require.Equal(t, 200, c.refresh(t, token).status)
	require.Equal(t, []string{"token.issue ok", "token.refresh failed", "token.refresh ok"}, p.events(t))

	family := c.descend(t, 0)
	p.SetFailPoint(func(at string) {
		if at == "refresh token replaced" {
			require.NoError(t, p.log.Close())
		}
	})
	c.refresh(t, family[0]).refused(t, http.StatusServiceUnavailable, "temporarily_unavailable")
	kept, err := s.SessionByRefresh(t.Context(), issuer.HashOf(secret.New(family[0])))
	require.NoError(t, err)
	require.True(t, kept.Ended.IsZero(), "the client can ask again")
}

// Twenty programs that share a session refresh it at once, through two replicas:
// the token changes once, and all go on with the same.
func TestParallelRefreshes(t *testing.T) {
	for name, open := range stores() {
		t.Run(name, func(t *testing.T) {
			store := &watchedRefresh{Store: open(t)}
			p := newProvider(t, inStore(store))
			replica, err := issuer.New(t.Context(), issuer.Config{URL: baseURL, Clients: []issuer.Client{{ID: clientID, Audiences: []string{audience}}}, Audit: p.log, Now: p.now}, p.rp, store)
			require.NoError(t, err)
			c := newPerson(t, p)
			token := c.signIn(t).text("refresh_token")
			for round := range short(50) {
				got := make([]string, 20)
				issuertest.Race(t, len(got), func(n int) error {
					a := post(t, []http.Handler{p, replica}[n%2], tokenURL, c.refreshment(token), c.proof())
					got[n] = a.text("refresh_token")
					return nil
				})
				for _, next := range got {
					require.NotEqual(t, token, next)
					require.Equal(t, got[0], next)
				}
				token = got[0]
				require.Equal(t, round+1, store.replaced)
			}
		})
	}
}

// watchedRefresh counts the refresh tokens that were replaced, unless it is broken.
type watchedRefresh struct {
	issuer.Store
	mu       sync.Mutex
	replaced int
	broken   error
}

func (s *watchedRefresh) ReplaceRefresh(ctx context.Context, used, next issuer.Hash, at time.Time) error {
	s.mu.Lock()
	broken := s.broken
	s.mu.Unlock()
	if broken != nil {
		return broken
	}
	err := s.Store.ReplaceRefresh(ctx, used, next, at)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		s.replaced++
	}
	return err
}
