package mds_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/fido/mds"
	"github.com/lakekey/lakekey/fido/mds/mdstest"
)

// service is the other side: answers can be changed between requests.
type service struct {
	mu      sync.Mutex
	handler http.HandlerFunc
	asked   int
}

func (s *service) answer(h http.HandlerFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.handler = h
}

func (s *service) serve(blob []byte) {
	s.answer(func(w http.ResponseWriter, _ *http.Request) { w.Write(blob) })
}

func (s *service) requests() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.asked++
	h := s.handler
	s.mu.Unlock()
	h(w, r)
}

func newSource(t testing.TB, cfg mds.SourceConfig) *mds.Source {
	t.Helper()
	s, err := mds.NewSource(cfg)
	require.NoError(t, err)
	return s
}

// clock is moved by the test.
type clock struct{ at atomic.Int64 }

func newClock(at string) *clock {
	c := &clock{}
	c.at.Store(day(at).UnixNano())
	return c
}

func (c *clock) now() time.Time            { return time.Unix(0, c.at.Load()).UTC() }
func (c *clock) advance(d time.Duration)   { c.at.Add(int64(d)) }
func due(n int, at string) mdstest.Payload { p := payload(n); p.NextUpdate = day(at); return p }

// TestLyingServer: whatever the service answers, the metadata in use stays, the
// error says what was wrong, and the next good answer is taken.
func TestLyingServer(t *testing.T) {
	ca, rogue := mdstest.New(t, mdstest.Options{}), mdstest.New(t, mdstest.Options{})
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Write(ca.Blob(t, due(8, "2030-02-01")))
	}))
	defer elsewhere.Close()
	fresh := ca.Blob(t, due(8, "2030-02-01"))
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		says   string
	}{
		"500":         {func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", 500) }, "the server answered 500"},
		"404":         {http.NotFound, "404"},
		"304 unasked": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(304) }, "304"},
		"206":         {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(206); w.Write(fresh) }, "206"},
		"empty":       {func(http.ResponseWriter, *http.Request) {}, "form"},
		"a web page":  {func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html>Please log in</html>") }, "form"},
		"half of it":  {func(w http.ResponseWriter, _ *http.Request) { w.Write(fresh[:len(fresh)/2]) }, "form"},
		"most of it":  {func(w http.ResponseWriter, _ *http.Request) { w.Write(fresh[:len(fresh)-3]) }, "refused"},
		"breaks off": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100000")
			w.Write(fresh)
		}, "unexpected EOF"},
		"announced huge": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "99999999999")
			w.WriteHeader(200)
		}, "more than 33554432"},
		"huge":               {func(w http.ResponseWriter, _ *http.Request) { io.Copy(w, io.LimitReader(endless{}, 64<<20)) }, "more than 33554432"},
		"another's":          {func(w http.ResponseWriter, _ *http.Request) { w.Write(rogue.Blob(t, due(8, "2030-02-01"))) }, "chain"},
		"an older one":       {func(w http.ResponseWriter, _ *http.Request) { w.Write(ca.Blob(t, due(6, "2030-02-01"))) }, "blob no. 6, but no. 7 was seen"},
		"the same, overdue":  {func(w http.ResponseWriter, _ *http.Request) { w.Write(ca.Blob(t, due(7, "2030-01-01"))) }, "still offers blob no. 7"},
		"redirect elsewhere": {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere.URL, http.StatusFound) }, "another origin"},
		"redirect in rounds": {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.Path+"x", http.StatusFound) }, "too many redirects"},
		"hangs up":           {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			other := &service{}
			server := httptest.NewServer(other)
			defer server.Close()
			clock := newClock("2029-12-15")
			var updates []int
			s := newSource(t, mds.SourceConfig{
				URL: server.URL, Roots: ca.Roots(), Now: clock.now, InsecureSkipRevocation: true,
				OnUpdate: func(b *mds.Blob) { updates = append(updates, b.Number) },
			})

			// Before there is any metadata.
			if !strings.Contains(c.says, "no. 7") {
				other.answer(c.answer)
				require.ErrorContains(t, s.Refresh(t.Context()), c.says)
				_, err := s.Current(t.Context())
				require.ErrorIs(t, err, mds.ErrNoMetadata)
				require.ErrorContains(t, err, c.says)
				require.Equal(t, -1, s.Health().Number)
				clock.advance(2 * time.Hour)
			}

			other.serve(ca.Blob(t, due(7, "2030-01-01")))
			require.NoError(t, s.Refresh(t.Context()))
			b, err := s.Current(t.Context())
			require.NoError(t, err)
			require.Equal(t, 7, b.Number)

			// When the next one is due.
			other.answer(c.answer)
			clock.at.Store(day("2030-01-02").UnixNano())
			err = s.Refresh(t.Context())
			require.ErrorContains(t, err, c.says)
			require.ErrorContains(t, s.Health().LastError, c.says)
			again, err := s.Current(t.Context())
			require.NoError(t, err)
			require.Same(t, b, again)

			// Too late.
			clock.at.Store(day("2030-01-09").UnixNano())
			_, err = s.Current(t.Context())
			var stale *mds.StaleError
			require.ErrorAs(t, err, &stale)
			require.Equal(t, mds.StaleError{Number: 7, NextUpdate: day("2030-01-01"), Allowed: 7 * 24 * time.Hour, Reason: stale.Reason}, *stale)
			require.ErrorContains(t, err, c.says)

			other.serve(fresh)
			require.NoError(t, s.Refresh(t.Context()))
			b, err = s.Current(t.Context())
			require.NoError(t, err)
			require.Equal(t, 8, b.Number)
			require.NoError(t, s.Health().LastError)
			require.Equal(t, []int{7, 8}, updates)
		})
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return copy(p, bytes.Repeat([]byte{'A'}, len(p))), nil }

func TestRollbackNamesBothNumbers(t *testing.T) {
	ca, other := mdstest.New(t, mdstest.Options{}), &service{}
	server := httptest.NewServer(other)
	defer server.Close()
	clock := newClock("2029-12-15")
	s := newSource(t, mds.SourceConfig{URL: server.URL, Roots: ca.Roots(), Now: clock.now, InsecureSkipRevocation: true})
	other.serve(ca.Blob(t, due(112, "2030-01-01")))
	require.NoError(t, s.Refresh(t.Context()))
	clock.advance(60 * 24 * time.Hour)
	other.serve(ca.Blob(t, due(111, "2030-12-01")))
	var rollback *mds.RollbackError
	require.ErrorAs(t, s.Refresh(t.Context()), &rollback)
	require.Equal(t, 111, rollback.Offered)
	require.Equal(t, 112, rollback.Seen)
	require.ErrorContains(t, rollback, strings.TrimPrefix(server.URL, "http://")+" has blob no. 111, but no. 112 was seen")
}

// TestNotModified: an answer that nothing has changed is asked for only about a
// blob that was accepted.
func TestNotModified(t *testing.T) {
	ca, other := mdstest.New(t, mdstest.Options{}), &service{}
	server := httptest.NewServer(other)
	defer server.Close()
	clock := newClock("2029-12-15")
	s := newSource(t, mds.SourceConfig{URL: server.URL, Roots: ca.Roots(), Now: clock.now, InsecureSkipRevocation: true, Interval: 24 * time.Hour})
	var known []string
	tagged := func(tag string, blob []byte) {
		other.answer(func(w http.ResponseWriter, r *http.Request) {
			known = append(known, r.Header.Get("If-None-Match"))
			if r.Header.Get("If-None-Match") == tag {
				w.WriteHeader(http.StatusNotModified)
				return
			}
			w.Header().Set("ETag", tag)
			w.Write(blob)
		})
	}
	look := func() error { clock.advance(28 * time.Hour); return s.Refresh(t.Context()) }
	tagged(`"7"`, ca.Blob(t, due(7, "2030-03-01")))
	require.NoError(t, look())
	require.NoError(t, look())
	tagged(`"bad"`, []byte("bad"))
	require.Error(t, look())
	require.Error(t, look(), "and again")
	tagged(`"7"`, nil)
	require.NoError(t, look())
	require.Equal(t, []string{"", `"7"`, `"7"`, `"7"`, `"7"`}, known)
	clock.at.Store(day("2030-03-03").UnixNano())
	require.ErrorContains(t, s.Refresh(t.Context()), "still offers blob no. 7")
}

// TestNotHammered: however often a caller asks, the service is not.
func TestNotHammered(t *testing.T) {
	ca, other := mdstest.New(t, mdstest.Options{}), &service{}
	server := httptest.NewServer(other)
	defer server.Close()
	clock := newClock("2029-12-15")
	s := newSource(t, mds.SourceConfig{URL: server.URL, Roots: ca.Roots(), Now: clock.now, InsecureSkipRevocation: true})
	other.answer(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusServiceUnavailable) })
	for range 50 {
		require.ErrorContains(t, s.Refresh(t.Context()), "503", "the reason is told although nobody asks again")
	}
	require.Equal(t, 1, other.requests())
	other.serve(ca.Blob(t, due(7, "2030-01-01")))
	clock.advance(2 * time.Minute)
	var group sync.WaitGroup
	for range 50 {
		group.Go(func() { _ = s.Refresh(context.WithoutCancel(t.Context())) })
	}
	group.Wait()
	require.Equal(t, 2, other.requests())
}

// TestCurrentDoesNotWait: a sign-in does not wait for a download.
func TestCurrentDoesNotWait(t *testing.T) {
	ca, other := mdstest.New(t, mdstest.Options{}), &service{}
	server := httptest.NewServer(other)
	defer server.Close()
	arrived, release := make(chan struct{}), make(chan struct{})
	other.answer(func(w http.ResponseWriter, _ *http.Request) {
		close(arrived)
		<-release
		w.Write(ca.Blob(t, payload(7)))
	})
	s := newSource(t, mds.SourceConfig{URL: server.URL, Roots: ca.Roots(), InsecureSkipRevocation: true})
	_, err := s.Current(t.Context())
	require.ErrorIs(t, err, mds.ErrNoMetadata)
	require.ErrorContains(t, err, "Source.Refresh")
	done := make(chan error)
	go func() { done <- s.Refresh(context.WithoutCancel(t.Context())) }()
	<-arrived
	_, err = s.Current(t.Context())
	require.ErrorIs(t, err, mds.ErrNoMetadata)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, s.Refresh(ctx), context.Canceled, "who waits for somebody else's download can stop waiting")
	close(release)
	require.NoError(t, <-done)
	_, err = s.Current(t.Context())
	require.NoError(t, err)
}

func TestSourceConfig(t *testing.T) {
	for _, cfg := range []mds.SourceConfig{
		{URL: "http://mds3.fidoalliance.org/"}, {URL: "ftp://x"}, {URL: "mds3.fidoalliance.org"}, {URL: "https://u:p@x/"}, {URL: "http://127.0.0.1.example.com"}, {URL: ":"},
		{Offline: true}, {Interval: time.Minute}, {Interval: -time.Hour},
	} {
		_, err := mds.NewSource(cfg)
		require.ErrorContains(t, err, "mds: SourceConfig.", "%+v", cfg)
	}
	for _, cfg := range []mds.SourceConfig{{}, {URL: "http://localhost:1"}, {URL: "http://[::1]:1"}, {Interval: time.Hour}} {
		_, err := mds.NewSource(cfg)
		require.NoError(t, err)
	}
}

func TestStaleness(t *testing.T) {
	ca := mdstest.New(t, mdstest.Options{})
	for name, c := range map[string]struct {
		cfg  mds.SourceConfig
		last string // the last moment at which the metadata may be used
	}{
		"a week":   {mds.SourceConfig{}, "2030-01-08"},
		"a day":    {mds.SourceConfig{MaxStale: 24 * time.Hour}, "2030-01-02"},
		"none":     {mds.SourceConfig{MaxStale: -1}, "2030-01-01"},
		"for ever": {mds.SourceConfig{InsecureUseStale: true}, ""},
	} {
		other := &service{}
		server := httptest.NewServer(other)
		other.serve(ca.Blob(t, due(7, "2030-01-01")))
		clock := newClock("2029-12-15")
		c.cfg.URL, c.cfg.Roots, c.cfg.Now, c.cfg.InsecureSkipRevocation = server.URL, ca.Roots(), clock.now, true
		s := newSource(t, c.cfg)
		require.NoError(t, s.Refresh(t.Context()))
		server.Close()
		if c.last == "" {
			clock.at.Store(day("2200-01-01").UnixNano())
			_, err := s.Current(t.Context())
			require.NoError(t, err, name)
			continue
		}
		clock.at.Store(day(c.last).UnixNano())
		_, err := s.Current(t.Context())
		require.NoError(t, err, name)
		clock.advance(1)
		_, err = s.Current(t.Context())
		var stale *mds.StaleError
		require.ErrorAs(t, err, &stale, name)
		require.Equal(t, 7, stale.Number)
		require.False(t, errors.Is(err, mds.ErrNoMetadata))
	}
}
