package mds_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/fido/mds"
	"github.com/lakekey/lakekey/fido/mds/mdstest"
)

// cached is a source with a service, a file and a clock.
type cached struct {
	*service
	ca    *mdstest.CA
	clock *clock
	file  string
	cfg   mds.SourceConfig
}

func newCached(t *testing.T, o mdstest.Options) *cached {
	t.Helper()
	c := &cached{service: &service{}, ca: mdstest.New(t, o), clock: newClock("2029-12-15"), file: filepath.Join(t.TempDir(), "mds.jwt")}
	server := httptest.NewServer(c)
	t.Cleanup(server.Close)
	c.cfg = mds.SourceConfig{URL: server.URL, File: c.file, Roots: c.ca.Roots(), Now: c.clock.now, InsecureSkipRevocation: true}
	c.down()
	return c
}

func (c *cached) down() {
	c.answer(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusServiceUnavailable) })
}

// start is a restart: nothing is known but what the files say.
func (c *cached) start(t *testing.T) *mds.Source { t.Helper(); return newSource(t, c.cfg) }

func (c *cached) write(t *testing.T, suffix, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(c.file+suffix, []byte(text), 0o600))
}

func (c *cached) read(t *testing.T, suffix string) string {
	t.Helper()
	text, err := os.ReadFile(c.file + suffix)
	require.NoError(t, err)
	return string(text)
}

func requireNumber(t *testing.T, s *mds.Source, n int) {
	t.Helper()
	b, err := s.Current(t.Context())
	require.NoError(t, err)
	require.Equal(t, n, b.Number)
}

func TestKeptAcrossRestarts(t *testing.T) {
	c := newCached(t, mdstest.Options{})
	blob := c.ca.Blob(t, due(7, "2030-01-01"))
	c.serve(blob)
	require.NoError(t, c.start(t).Refresh(t.Context()))
	require.Equal(t, string(blob), c.read(t, ""))
	require.Contains(t, c.read(t, ".state"), `"no":7,"sha256":"`+mds.DigestOf(blob)+`","accepted":"2029-12-15T00:00:00Z"`)

	c.down()
	s := c.start(t)
	requireNumber(t, s, 7) // without asking anybody
	require.NoError(t, s.Refresh(t.Context()))
	require.Equal(t, 1, c.requests(), "what is current is not fetched again, also by a program that restarts in a loop")

	c.clock.at.Store(day("2030-01-02").UnixNano())
	s = c.start(t)
	require.ErrorContains(t, s.Refresh(t.Context()), "503")
	requireNumber(t, s, 7)
	c.serve(c.ca.Blob(t, due(8, "2030-02-01")))
	c.clock.advance(time.Hour)
	require.NoError(t, s.Refresh(t.Context()))
	requireNumber(t, s, 8)
	requireNumber(t, c.start(t), 8)
	left, err := os.ReadDir(filepath.Dir(c.file))
	require.NoError(t, err)
	require.Len(t, left, 3, "the blob, its state and the lock; no file in the making")
}

// TestNumberNeverGoesBack: an old blob is refused from wherever it comes, after
// whatever happened to the file.
func TestNumberNeverGoesBack(t *testing.T) {
	c := newCached(t, mdstest.Options{})
	old := c.ca.Blob(t, due(6, "2031-01-01"))
	c.serve(c.ca.Blob(t, due(7, "2030-01-01")))
	require.NoError(t, c.start(t).Refresh(t.Context()))
	current := c.read(t, "")

	var rollback *mds.RollbackError
	c.down()
	c.write(t, "", string(old)) // somebody puts an old one there
	s := c.start(t)
	_, err := s.Current(t.Context())
	require.ErrorIs(t, err, mds.ErrNoMetadata)
	require.ErrorAs(t, err, &rollback)
	require.Equal(t, mds.RollbackError{Offered: 6, Seen: 7, From: "mds.jwt"}, *rollback)

	for _, gone := range []string{"", "broken"} { // the file is lost, and the service lies
		require.NoError(t, os.Remove(c.file))
		if gone != "" {
			c.write(t, "", gone)
		}
		c.serve(old)
		s = c.start(t)
		require.ErrorAs(t, s.Refresh(t.Context()), &rollback)
		require.Equal(t, 7, rollback.Seen)
		_, err = s.Current(t.Context())
		require.ErrorIs(t, err, mds.ErrNoMetadata)
		c.write(t, "", "") // for the next round to remove
	}

	c.serve([]byte(current)) // the same number again is what there was
	s = c.start(t)
	require.NoError(t, s.Refresh(t.Context()))
	requireNumber(t, s, 7)

	require.NoError(t, os.Remove(c.file+".state")) // the state is lost: the blob still has its number
	c.serve(old)
	c.clock.at.Store(day("2030-01-02").UnixNano())
	require.ErrorAs(t, c.start(t).Refresh(t.Context()), &rollback)
	require.Contains(t, c.read(t, ".state"), `"no":7`)
}

// TestBadFileGoodNetwork, and the other way round: TestLyingServer.
func TestBadFileGoodNetwork(t *testing.T) {
	for name, spoil := range map[string]func(t *testing.T, c *cached){
		"garbage": func(t *testing.T, c *cached) { c.write(t, "", "garbage") },
		"half": func(t *testing.T, c *cached) {
			blob := c.ca.Blob(t, due(7, "2030-01-01"))
			c.write(t, "", string(blob[:len(blob)/2]))
		},
		"huge":            func(t *testing.T, c *cached) { require.NoError(t, os.Truncate(c.file, 64<<20)) },
		"empty":           func(t *testing.T, c *cached) { c.write(t, "", "") },
		"a state of junk": func(t *testing.T, c *cached) { c.write(t, ".state", "junk"); c.write(t, "", "junk") },
		"a huge state":    func(t *testing.T, c *cached) { c.write(t, ".state", strings.Repeat(" ", 5000)) },
		"a folder": func(t *testing.T, c *cached) {
			require.NoError(t, os.Remove(c.file))
			require.NoError(t, os.Mkdir(c.file, 0o700))
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCached(t, mdstest.Options{})
			c.write(t, "", "")
			spoil(t, c)
			c.serve(c.ca.Blob(t, due(7, "2030-01-01")))
			s := c.start(t)
			_, err := s.Current(t.Context())
			require.ErrorIs(t, err, mds.ErrNoMetadata)
			require.NoError(t, s.Refresh(t.Context()))
			requireNumber(t, s, 7)
			if name != "a folder" {
				c.down()
				requireNumber(t, c.start(t), 7)
			}
		})
	}
}

// TestSpoiledFileIsRepaired: a file that breaks while the program runs is written
// again at the next look.
func TestSpoiledFileIsRepaired(t *testing.T) {
	c := newCached(t, mdstest.Options{})
	c.cfg.Interval = 24 * time.Hour
	blob := c.ca.Blob(t, due(7, "2030-03-01"))
	c.serve(blob)
	s := c.start(t)
	require.NoError(t, s.Refresh(t.Context()))
	c.write(t, "", "spoiled")
	require.ErrorContains(t, s.Refresh(t.Context()), "refused", "it is told")
	requireNumber(t, s, 7)
	c.clock.advance(48 * time.Hour)
	require.NoError(t, s.Refresh(t.Context()))
	require.Equal(t, string(blob), c.read(t, ""))
	require.NoError(t, s.Refresh(t.Context()))
}

// TestSignerRunsOut: a blob that was verified while its signer's certificate was
// valid is used until the next is due, also after a restart. In July 2025 that
// was the only way not to be without.
func TestSignerRunsOut(t *testing.T) {
	c := newCached(t, mdstest.Options{NotAfter: day("2029-12-20")})
	blob := c.ca.Blob(t, due(7, "2030-01-01"))
	c.serve(blob)
	require.NoError(t, c.start(t).Refresh(t.Context()))
	c.down()
	c.clock.at.Store(day("2029-12-25").UnixNano())
	requireNumber(t, c.start(t), 7)

	c.serve(blob) // but nobody who comes late may offer it
	require.NoError(t, os.Remove(c.file))
	s := c.start(t)
	require.ErrorContains(t, s.Refresh(t.Context()), "expired")
	c.write(t, "", string(c.ca.Blob(t, due(7, "2030-01-02")))) // nor another one of that number
	_, err := c.start(t).Current(t.Context())
	require.ErrorContains(t, err, "expired")
	c.write(t, "", string(blob))
	requireNumber(t, c.start(t), 7)
	c.clock.at.Store(day("2030-01-08").UnixNano() + 1)
	_, err = c.start(t).Current(t.Context())
	var stale *mds.StaleError
	require.ErrorAs(t, err, &stale)
}

func TestOffline(t *testing.T) {
	c := newCached(t, mdstest.Options{})
	c.cfg.Offline = true
	var updates []int
	c.cfg.OnUpdate = func(b *mds.Blob) { updates = append(updates, b.Number) }
	s := c.start(t)
	_, err := s.Current(t.Context())
	require.ErrorIs(t, err, mds.ErrNoMetadata)
	require.ErrorIs(t, err, os.ErrNotExist)
	require.Error(t, s.Refresh(t.Context()))

	touch := func(n int, at string) {
		c.write(t, "", string(c.ca.Blob(t, due(n, at))))
		later := time.Now().Add(time.Duration(n) * time.Hour) // file systems have coarse clocks
		require.NoError(t, os.Chtimes(c.file, later, later))
	}
	touch(7, "2030-01-01")
	require.NoError(t, s.Refresh(t.Context()))
	requireNumber(t, s, 7)
	touch(6, "2030-01-01")
	var rollback *mds.RollbackError
	require.ErrorAs(t, s.Refresh(t.Context()), &rollback)
	require.ErrorAs(t, s.Refresh(t.Context()), &rollback, "it is still there")
	requireNumber(t, s, 7)
	touch(8, "2030-02-01")
	require.NoError(t, s.Refresh(t.Context()))
	requireNumber(t, s, 8)
	require.Zero(t, c.requests())
	require.Equal(t, []int{7, 8}, updates)
	touch(7, "2030-01-01")
	_, err = c.start(t).Current(t.Context())
	require.ErrorAs(t, err, &rollback, "after a restart, too")
	require.Equal(t, 8, rollback.Seen)
}

// TestReadOnlyFolder: metadata that cannot be kept is used all the same.
func TestReadOnlyFolder(t *testing.T) {
	c := newCached(t, mdstest.Options{})
	c.cfg.File = filepath.Join(filepath.Dir(c.file), "missing", "mds.jwt")
	c.serve(c.ca.Blob(t, due(7, "2030-01-01")))
	s := c.start(t)
	require.NoError(t, s.Refresh(t.Context()))
	requireNumber(t, s, 7)
}

// TestSharedFile: one of many processes fetches, and the others see it.
func TestSharedFile(t *testing.T) {
	c := newCached(t, mdstest.Options{})
	one, two := c.start(t), c.start(t)
	c.serve(c.ca.Blob(t, due(7, "2030-01-01")))
	require.NoError(t, one.Refresh(t.Context()))
	require.NoError(t, two.Refresh(t.Context()))
	requireNumber(t, two, 7)
	require.Equal(t, 1, c.requests())
	require.Equal(t, 7, two.Health().Number)
	require.Equal(t, day("2030-01-01"), two.Health().NextUpdate)
	require.Equal(t, 1, two.Health().Entries)
	_, err := c.start(t).Current(canceled(t))
	require.NoError(t, err, "there is nothing to wait for")
}

func canceled(t *testing.T) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}
