package bench

import (
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/databricks"
	"github.com/lakekey/lakekey/databricks/metadata"
)

// getter sends the GETs of tools and keeps how long each took.
type getter struct {
	client *http.Client
	url    string

	mu    sync.Mutex
	times []time.Duration
}

func (g *getter) get(b *testing.B) {
	start := time.Now()
	req, err := http.NewRequest(http.MethodGet, g.url, nil)
	if err != nil {
		b.Error(err)
		return
	}
	req.Header.Set("X-Databricks-Metadata-Version", "1")
	req.Header.Set("X-Databricks-Host", tokenHost)
	resp, err := g.client.Do(req)
	if err != nil {
		b.Error(err)
		return
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		b.Errorf("HTTP %d", resp.StatusCode)
	}
	took := time.Since(start)
	g.mu.Lock()
	g.times = append(g.times, took)
	g.mu.Unlock()
}

// burst is n GETs of 16 tools at once.
func (g *getter) burst(b *testing.B, n int) time.Duration {
	start := time.Now()
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for range n / 16 {
				g.get(b)
			}
		})
	}
	wg.Wait()
	return time.Since(start)
}

func (g *getter) p99() time.Duration {
	slices.Sort(g.times)
	return g.times[len(g.times)*99/100]
}

// serveAt serves h on loopback.
func serveAt(b *testing.B, h http.Handler, s *metadata.Server, l net.Listener) {
	server := &http.Server{Handler: h, ReadHeaderTimeout: time.Minute}
	if s != nil {
		server.ConnContext = s.ConnContext
	}
	go func() { _ = server.Serve(l) }()
	b.Cleanup(func() { _ = server.Close() })
}

// Target: an answer from the cache within 10 ms. The floor is net/http with the
// same answer and no questions asked; what we add are the checks, and once for a
// connection a look at whose it is. A tool that runs once makes a connection for
// each GET, a notebook keeps one.
func BenchmarkMetadataGET(b *testing.B) {
	for _, c := range []struct {
		name string
		once bool
	}{{"kept connections", false}, {"a connection each", true}} {
		b.Run(c.name, func(b *testing.B) {
			w := newTokenWorld(0)
			source, err := databricks.NewTokenSource(w, databricks.Config{Host: tokenHost, Audience: "a", Scopes: []string{"sql"}, Transport: w, InsecureSkipIdentity: true})
			require.NoError(b, err)
			defer source.Close()
			l, err := metadata.Listen(b.Context(), "127.0.0.1:0")
			require.NoError(b, err)
			s, err := metadata.NewServer(l.Addr(), metadata.Options{})
			require.NoError(b, err)
			address, err := s.Add(source)
			require.NoError(b, err)
			serveAt(b, s, s, l)

			bare, err := metadata.Listen(b.Context(), "127.0.0.1:0")
			require.NoError(b, err)
			token, err := source.Token(b.Context())
			require.NoError(b, err)
			body := []byte(`{"access_token":"` + token.Value.Reveal() + `","token_type":"Bearer","expires_on":1800000000}`)
			serveAt(b, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				_, _ = w.Write(body)
			}), nil, bare)

			pool := &http.Transport{MaxIdleConnsPerHost: 16, DisableKeepAlives: c.once}
			defer pool.CloseIdleConnections()
			ours := &getter{client: &http.Client{Transport: pool}, url: address.Reveal()}
			floor := &getter{client: &http.Client{Transport: pool}, url: "http://" + bare.Addr().String() + "/"}
			const n = 800
			var took, took2 time.Duration
			gets := 0
			for b.Loop() {
				took += ours.burst(b, n)
				took2 += floor.burst(b, n)
				gets += n
			}
			b.ReportMetric(float64(gets)/took.Seconds(), "GETs/s")
			b.ReportMetric(float64(ours.p99().Microseconds())/1000, "p99-ms")
			b.ReportMetric(float64(floor.p99().Microseconds())/1000, "floor-p99-ms")
			b.ReportMetric(took.Seconds()/took2.Seconds(), "x-net/http")
		})
	}
}
