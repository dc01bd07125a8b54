package oidc_test

import (
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/oidc/oidctest"
)

// Processes that die anywhere, while others use the session: whoever lives gets
// the person's token or is told to sign in again, and
// nobody is prompted.
func TestProcessesDieAnywhere(t *testing.T) {
	places := []string{
		"held 2", "loaded 2", "before saving 1", "saved 1", "reserved 1", "before the request 1",
		"after the answer 1", "before saving 2", "saved 2", "before saving 3", "saved 3", "before releasing 2",
	}
	rounds := 40
	if testing.Short() {
		rounds = 5
	}
	for range rounds {
		idp, w := expired(t, oidctest.Options{Rotate: true, Bearer: true, OneAudience: true})
		var wg sync.WaitGroup
		reports := make([]report, 6)
		for i := range reports {
			wg.Go(func() {
				one := w
				if i%2 == 0 {
					one.Kill = places[rand.IntN(len(places))]
				}
				reports[i], _ = one.run(t)
			})
		}
		wg.Wait()
		last, _ := w.run(t)
		for _, r := range append(reports, last) {
			require.True(t, r.Error == "" || r.Login, r.Error)
		}
		require.LessOrEqual(t, idp.Sessions(), 1)
		require.Equal(t, 1, idp.Requests(oidctest.AuthorizePath), "somebody was prompted")
		if last.Error == "" {
			require.Equal(t, "alice@example.com", last.Subject)
		}
	}
}
