package mds_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/fido/mds"
	"github.com/lakekey/lakekey/fido/mds/mdstest"
)

// transport answers without a network, so that time can be fake.
type transport func(r *http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func respond(status int, body []byte) (*http.Response, error) {
	return &http.Response{StatusCode: status, Status: http.StatusText(status), Body: io.NopCloser(bytes.NewReader(body)), ContentLength: -1, Header: http.Header{}}, nil
}

// publisher publishes blob n on the first of month n, counted from the start.
type publisher struct {
	t     *testing.T
	ca    *mdstest.CA
	start time.Time
	asked []time.Time
	down  func(at time.Time) bool
	late  time.Duration
}

func (p *publisher) RoundTrip(r *http.Request) (*http.Response, error) {
	now := time.Now()
	p.asked = append(p.asked, now)
	if r.URL.String() != "https://mds3.fidoalliance.org/" {
		return nil, errors.New("wrong address")
	}
	if p.down != nil && p.down(now) {
		return respond(503, nil)
	}
	n := 0
	for !p.start.AddDate(0, n+1, 0).Add(p.late).After(now) {
		n++
	}
	return respond(200, p.ca.Blob(p.t, mdstest.Payload{Number: n, NextUpdate: p.start.AddDate(0, n+1, 0)}))
}

// run keeps metadata current for some time and returns how often it was missing
// or stale, looked at every hour.
func run(t *testing.T, cfg mds.SourceConfig, d time.Duration, p *publisher) (updates []int, missing int) {
	cfg.OnUpdate = func(b *mds.Blob) { updates = append(updates, b.Number) }
	cfg.HTTPClient, cfg.Roots, cfg.InsecureSkipRevocation = &http.Client{Transport: p}, p.ca.Roots(), true
	s := newSource(t, cfg)
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	done := make(chan error)
	go func() { done <- s.Run(ctx) }()
	for synctest.Wait(); ctx.Err() == nil; time.Sleep(time.Hour) {
		if _, err := s.Current(t.Context()); err != nil {
			missing++
		}
	}
	err := <-done
	require.ErrorIs(t, err, context.DeadlineExceeded)
	return updates, missing
}

const month = 30 * 24 * time.Hour

func bubble(t *testing.T, f func(t *testing.T, p *publisher)) {
	ca := mdstest.New(t, mdstest.Options{})
	synctest.Test(t, func(t *testing.T) { f(t, &publisher{t: t, ca: ca, start: time.Now()}) })
}

func TestRunForTwoYears(t *testing.T) {
	bubble(t, func(t *testing.T, p *publisher) {
		updates, missing := run(t, mds.SourceConfig{}, 24*month, p)
		require.Zero(t, missing)
		require.Len(t, updates, 24)
		for i, n := range updates {
			require.Equal(t, i, n)
		}
		require.Len(t, p.asked, 24, "once a month is enough")
		var within time.Duration
		for i, at := range p.asked {
			after := at.Sub(p.start.AddDate(0, i, 0))
			require.GreaterOrEqual(t, after, time.Duration(0))
			require.Less(t, after, time.Hour+time.Second)
			within = max(within, after)
		}
		require.Greater(t, within, 10*time.Minute, "not everybody asks at midnight")
	})
}

// TestRunLatePublication: the service is well but late every month, by less than
// is allowed.
func TestRunLatePublication(t *testing.T) {
	bubble(t, func(t *testing.T, p *publisher) {
		p.late = 36 * time.Hour
		updates, missing := run(t, mds.SourceConfig{}, 12*month, p)
		require.Zero(t, missing)
		require.GreaterOrEqual(t, len(updates), 11)
		require.Less(t, len(p.asked), 12*25)
		requireGaps(t, p.asked, 45*time.Minute)
	})
}

func requireGaps(t *testing.T, asked []time.Time, least time.Duration) {
	t.Helper()
	for i := 1; i < len(asked); i++ {
		require.GreaterOrEqual(t, asked[i].Sub(asked[i-1]), least)
	}
}

// TestRunOutage: for a month nothing comes. Metadata gets stale, nobody is
// hammered, and it is back within hours of the service.
func TestRunOutage(t *testing.T) {
	bubble(t, func(t *testing.T, p *publisher) {
		from, to := p.start.AddDate(0, 1, 0).Add(-24*time.Hour), p.start.AddDate(0, 2, 0)
		p.down = func(at time.Time) bool { return at.After(from) && at.Before(to) }
		var log bytes.Buffer
		cfg := mds.SourceConfig{Logger: slog.New(slog.NewTextHandler(&log, nil))}
		updates, missing := run(t, cfg, 4*month, p)
		require.Equal(t, []int{0, 2, 3}, updates)
		month1 := to.Sub(p.start.AddDate(0, 1, 0))
		hours := int((month1 - 7*24*time.Hour) / time.Hour)
		require.GreaterOrEqual(t, missing, hours-1)
		require.LessOrEqual(t, missing, hours+6)
		var during []time.Time
		for _, at := range p.asked {
			if p.down(at) {
				during = append(during, at)
			}
		}
		require.Less(t, len(during), 280, "every four hours, and a few more at first")
		require.Greater(t, len(during), 130)
		requireGaps(t, during, 45*time.Second)
		requireGaps(t, during[10:], 3*time.Hour)
		require.LessOrEqual(t, strings.Count(log.String(), "level=WARN"), len(during)+1, "an error is logged once")
	})
}

// TestRunNeverReached: a service that cannot be reached at all.
func TestRunNeverReached(t *testing.T) {
	bubble(t, func(t *testing.T, p *publisher) {
		p.down = func(time.Time) bool { return true }
		updates, missing := run(t, mds.SourceConfig{}, month, p)
		require.Empty(t, updates)
		require.GreaterOrEqual(t, missing, 719)
		require.Less(t, len(p.asked), 280)
	})
}

func TestRunDaily(t *testing.T) {
	bubble(t, func(t *testing.T, p *publisher) {
		updates, missing := run(t, mds.SourceConfig{Interval: 24 * time.Hour}, 3*month, p)
		require.Zero(t, missing)
		require.Len(t, updates, 3)
		require.Greater(t, len(p.asked), 78)
		require.Less(t, len(p.asked), 94)
		requireGaps(t, p.asked, 20*time.Minute)
	})
}

// TestRunRestarts: a program that is restarted every hour asks no more often than
// one that runs through.
func TestRunRestarts(t *testing.T) {
	bubble(t, func(t *testing.T, p *publisher) {
		cfg := mds.SourceConfig{File: filepath.Join(t.TempDir(), "mds.jwt")}
		missing := 0
		for time.Since(p.start) < 85*24*time.Hour {
			_, m := run(t, cfg, time.Hour, p)
			missing += m
		}
		require.Zero(t, missing)
		require.Len(t, p.asked, 3)
	})
}

// TestSlowServer: an answer that drips has three minutes in all.
func TestSlowServer(t *testing.T) {
	bubble(t, func(t *testing.T, p *publisher) {
		for name, f := range map[string]transport{
			"no answer": func(r *http.Request) (*http.Response, error) {
				<-r.Context().Done()
				return nil, r.Context().Err()
			},
			"drips": func(r *http.Request) (*http.Response, error) {
				response, err := respond(200, nil)
				response.Body = io.NopCloser(dripping{r.Context()})
				return response, err
			},
		} {
			s := newSource(t, mds.SourceConfig{Roots: p.ca.Roots(), HTTPClient: &http.Client{Transport: f}})
			began := time.Now()
			err := s.Refresh(t.Context())
			require.ErrorContains(t, err, "mds: fetching https://mds3.fidoalliance.org/: context deadline exceeded", name)
			require.InDelta(t, 180, time.Since(began).Seconds(), 3)

			// The caller's own end is the caller's, and says nothing about the server.
			s = newSource(t, mds.SourceConfig{Roots: p.ca.Roots(), HTTPClient: &http.Client{Transport: f}})
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			began = time.Now()
			require.ErrorIs(t, s.Refresh(ctx), context.DeadlineExceeded)
			cancel()
			require.InDelta(t, 10, time.Since(began).Seconds(), 3)
			require.NoError(t, s.Health().LastError)
		}
	})
}

// dripping yields a byte every second until the request ends.
type dripping struct{ ctx context.Context }

func (d dripping) Read(p []byte) (int, error) {
	select {
	case <-d.ctx.Done():
		return 0, d.ctx.Err()
	case <-time.After(time.Second):
		p[0] = 'A'
		return 1, nil
	}
}

// TestRunSeesTheFile: somebody installs newer metadata by hand.
func TestRunSeesTheFile(t *testing.T) {
	bubble(t, func(t *testing.T, p *publisher) {
		file := filepath.Join(t.TempDir(), "mds.jwt")
		s := newSource(t, mds.SourceConfig{File: file, Offline: true, Roots: p.ca.Roots()})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- s.Run(ctx) }()
		for n := range 3 {
			writeFile(t, file, p.ca.Blob(t, mdstest.Payload{Number: n, NextUpdate: time.Now().Add(month), Entries: make([]mdstest.Entry, n)}))
			time.Sleep(11 * time.Minute)
			synctest.Wait()
			requireNumber(t, s, n)
		}
		cancel()
		require.ErrorIs(t, <-done, context.Canceled)
		require.Empty(t, p.asked)
	})
}
