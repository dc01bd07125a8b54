package bench

import (
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/lakekey/lakekey/fido"
	fidopostgres "github.com/lakekey/lakekey/fido/postgres"
	"github.com/lakekey/lakekey/internal/postgrestest"
	issuerpostgres "github.com/lakekey/lakekey/oidc/issuer/postgres"
)

// inTurns gives each request to the next replica.
type inTurns struct {
	replicas []http.Handler
	next     atomic.Uint64
}

func (t *inTurns) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	t.replicas[t.next.Add(1)%uint64(len(t.replicas))].ServeHTTP(w, r)
}

// postgresReplica is an issuer with connections and an audit log of its own.
func postgresReplica(b *testing.B, address string) (http.Handler, *fido.RelyingParty) {
	b.Helper()
	keys, err := fidopostgres.Open(b.Context(), address)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = keys.Close() })
	sessions, err := issuerpostgres.Open(b.Context(), address)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = sessions.Close() })
	log := newAuditLog(b)
	b.Cleanup(func() { _ = log.Close() })
	return newBenchIssuer(b, log, keys, sessions)
}

// BenchmarkIssuerSignInPostgres: whole sign-ins a second of 64 clients, their work
// included, at replicas of one issuer, with each request at the next of them. All
// replicas, the server and the clients share this machine, so that more replicas
// show what sharing costs, not what more machines bring. Everything waits for the
// disk.
func BenchmarkIssuerSignInPostgres(b *testing.B) {
	for _, replicas := range []int{1, 2, 4} {
		b.Run(fmt.Sprintf("replicas=%d", replicas), func(b *testing.B) {
			address := postgrestest.Start(b, postgrestest.Options{Durable: true}).URL(b)
			turns := &inTurns{}
			var rp *fido.RelyingParty
			for range replicas {
				var h http.Handler
				h, rp = postgresReplica(b, address)
				turns.replicas = append(turns.replicas, h)
			}
			people := make([]*issuerClient, 64)
			for n := range people {
				people[n] = newIssuerClient(b, rp, fmt.Sprintf("person%d@example.com", n))
			}
			var left atomic.Int64
			left.Store(int64(b.N))
			b.ResetTimer()
			var wg sync.WaitGroup
			for _, c := range people {
				wg.Go(func() {
					for left.Add(-1) >= 0 {
						c.signIn(b, turns)
					}
				})
			}
			wg.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "sign-ins/s")
		})
	}
}
