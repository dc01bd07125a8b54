package refresh_test

import (
	"context"
	"errors"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/internal/refresh"
)

// source counts its calls and answers as told.
type source struct {
	calls    atomic.Int64
	takes    time.Duration
	lifetime time.Duration
	err      atomic.Pointer[error]
}

func (s *source) fail(err error) { s.err.Store(&err) }
func (s *source) heal()          { s.err.Store(nil) }

func (s *source) fetch(ctx context.Context) (string, time.Time, error) {
	n := s.calls.Add(1)
	if s.takes > 0 {
		select {
		case <-time.After(s.takes):
		case <-ctx.Done():
			return "", time.Time{}, ctx.Err()
		}
	}
	if err := s.err.Load(); err != nil {
		return "", time.Time{}, *err
	}
	return "v" + strconv.FormatInt(n, 10), time.Now().Add(s.lifetime), nil
}

var errDown = errors.New("source down")

func TestOneFlightForManyCallers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &source{takes: 200 * time.Millisecond, lifetime: time.Hour}
		c := refresh.New(src.fetch, refresh.Options{})
		var wg sync.WaitGroup
		start := time.Now()
		for range 500 {
			wg.Go(func() {
				v, err := c.Value(t.Context())
				if err != nil || v != "v1" || time.Since(start) != 200*time.Millisecond {
					t.Errorf("got %q, %v after %v", v, err, time.Since(start))
				}
			})
		}
		wg.Wait()
		require.EqualValues(t, 1, src.calls.Load())
	})
}

func TestWaiterLeavesWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &source{takes: 700 * time.Millisecond, lifetime: time.Hour}
		c := refresh.New(src.fetch, refresh.Options{})

		// The caller that starts the flight leaves too, and does not end it.
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		start := time.Now()
		_, err := c.Value(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, 20*time.Millisecond, time.Since(start))

		v, err := c.Value(t.Context())
		require.NoError(t, err)
		require.Equal(t, "v1", v)
		require.EqualValues(t, 1, src.calls.Load())
	})
}

func TestFinishedContextStartsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &source{lifetime: time.Hour}
		c := refresh.New(src.fetch, refresh.Options{})
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := c.Value(ctx)
		require.ErrorIs(t, err, context.Canceled)
		synctest.Wait()
		require.Zero(t, src.calls.Load())
	})
}

func TestFailedSourceIsLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &source{takes: 20 * time.Millisecond, lifetime: time.Hour}
		src.fail(errDown)
		c := refresh.New(src.fetch, refresh.Options{})
		var wg sync.WaitGroup
		start := time.Now()
		for range 100 {
			wg.Go(func() {
				if _, err := c.Value(t.Context()); !errors.Is(err, errDown) {
					t.Errorf("got %v", err)
				}
			})
		}
		wg.Wait()
		require.Equal(t, 20*time.Millisecond, time.Since(start))
		require.EqualValues(t, 1, src.calls.Load())

		// Who waits for a moment is served as soon as that is over; after that each
		// failure in a row is paid for with a longer pause.
		for i, pause := range []time.Duration{1, 1, 1, 1, 1, 2, 4, 8, 16, 32, 60, 60} {
			_, err := c.Value(t.Context())
			require.ErrorIs(t, err, errDown)
			time.Sleep(pause*time.Second - time.Millisecond)
			_, err = c.Value(t.Context())
			require.ErrorIs(t, err, errDown)
			require.EqualValues(t, i+1, src.calls.Load(), "called before the pause of %d s was over", pause)
			time.Sleep(time.Millisecond)
			_, err = c.Value(t.Context())
			require.ErrorIs(t, err, errDown)
			require.EqualValues(t, i+2, src.calls.Load())
		}

		src.heal()
		time.Sleep(time.Minute)
		_, err := c.Value(t.Context())
		require.NoError(t, err)
	})
}

func TestRenewedAheadWhileNobodyWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &source{takes: 200 * time.Millisecond, lifetime: time.Hour}
		c := refresh.New(src.fetch, refresh.Options{})
		_, err := c.Value(t.Context())
		require.NoError(t, err)

		time.Sleep(48*time.Minute - time.Millisecond) // 12 minutes before the end is ahead
		require.Equal(t, "v1", value(t, c))
		synctest.Wait()
		require.EqualValues(t, 1, src.calls.Load(), "renewed too early")

		time.Sleep(2 * time.Millisecond)
		start := time.Now()
		for range 500 {
			require.Equal(t, "v1", value(t, c))
		}
		require.Zero(t, time.Since(start), "a caller waited for a renewal ahead of time")
		time.Sleep(time.Second)
		require.Equal(t, "v2", value(t, c))
		require.EqualValues(t, 2, src.calls.Load())
	})
}

func TestOldValueServesWhileRenewalFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &source{lifetime: time.Hour}
		c := refresh.New(src.fetch, refresh.Options{})
		require.Equal(t, "v1", value(t, c))
		src.fail(errDown)

		time.Sleep(53 * time.Minute) // within ahead, before the skew of 6 minutes
		for range 100 {
			require.Equal(t, "v1", value(t, c))
			synctest.Wait()
		}
		require.EqualValues(t, 2, src.calls.Load(), "a failing renewal was hammered")

		time.Sleep(time.Minute) // into the skew
		_, err := c.Value(t.Context())
		require.ErrorIs(t, err, errDown)
		_, ok := c.Peek()
		require.False(t, ok)
	})
}

func TestSkewLeavesHalfOfAShortLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &source{lifetime: 40 * time.Second} // shorter than the skew of a minute
		c := refresh.New(src.fetch, refresh.Options{})
		require.Equal(t, "v1", value(t, c))
		time.Sleep(13 * time.Second)
		require.Equal(t, "v1", value(t, c))
		require.EqualValues(t, 1, src.calls.Load())
		time.Sleep(8 * time.Second)
		require.Equal(t, "v2", value(t, c))
	})
}

func TestInvalidate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &source{lifetime: time.Hour}
		c := refresh.New(src.fetch, refresh.Options{})
		all := func(string) bool { return true }
		require.False(t, c.Invalidate(all), "nothing is there yet")
		require.Equal(t, "v1", value(t, c))

		require.False(t, c.Invalidate(func(v string) bool { return v == "v0" }))
		require.Equal(t, "v1", value(t, c))
		require.True(t, c.Invalidate(func(v string) bool { return v == "v1" }))
		_, ok := c.Peek()
		require.False(t, ok)
		require.Equal(t, "v2", value(t, c))

		// An API that refuses every value gets one new value per Settle.
		for range 100 {
			c.Invalidate(all)
			value(t, c)
			time.Sleep(100 * time.Millisecond)
		}
		require.EqualValues(t, 2, src.calls.Load())
		time.Sleep(20 * time.Second)
		require.True(t, c.Invalidate(all))
		require.Equal(t, "v3", value(t, c))
	})
}

func TestPut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &source{lifetime: time.Hour}
		c := refresh.New(src.fetch, refresh.Options{})
		require.ErrorContains(t, c.Put("old", time.Now()), "expired")
		require.NoError(t, c.Put("v0", time.Now().Add(time.Hour)))
		require.Equal(t, "v0", value(t, c))
		require.Zero(t, src.calls.Load())
		time.Sleep(time.Hour)
		require.Equal(t, "v1", value(t, c))
		over := errors.New("session closed")
		c.Close(over)
		require.ErrorIs(t, c.Put("v9", time.Now().Add(time.Hour)), over)
		_, ok := c.Peek()
		require.False(t, ok)
	})
}

// Where every value ends at one hard end, the last minutes must not become a
// storm of ever shorter values.
func TestHardEndIsNoStorm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		end := time.Now().Add(time.Hour)
		var calls atomic.Int64
		c := refresh.New(func(context.Context) (string, time.Time, error) {
			calls.Add(1)
			if !time.Now().Before(end) {
				return "", time.Time{}, errDown
			}
			return "v", end, nil
		}, refresh.Options{})
		for time.Now().Before(end) {
			value(t, c)
			time.Sleep(10 * time.Millisecond)
		}
		require.Less(t, calls.Load(), int64(16))
		_, err := c.Value(t.Context())
		require.ErrorIs(t, err, errDown)
	})
}

func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &source{takes: time.Minute, lifetime: time.Hour}
		c := refresh.New(src.fetch, refresh.Options{})
		over := errors.New("session closed")
		go func() {
			time.Sleep(time.Second)
			c.Close(over)
			c.Close(errors.New("a second cause"))
		}()
		start := time.Now()
		_, err := c.Value(t.Context())
		require.ErrorIs(t, err, over)
		require.Equal(t, time.Second, time.Since(start), "the waiter was not released")
		_, err = c.Value(t.Context())
		require.ErrorIs(t, err, over)
		_, ok := c.Peek()
		require.False(t, ok)
		require.EqualValues(t, 1, src.calls.Load())
	})
}

func TestFlightHasADeadlineOfItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &source{takes: time.Hour, lifetime: time.Hour}
		c := refresh.New(src.fetch, refresh.Options{Timeout: 5 * time.Second})
		start := time.Now()
		_, err := c.Value(t.Context())
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, 5*time.Second, time.Since(start))
	})
}

func TestSourceThatLeavesReleasesItsWaiters(t *testing.T) {
	c := refresh.New(func(context.Context) (string, time.Time, error) {
		runtime.Goexit()
		return "", time.Time{}, nil
	}, refresh.Options{})
	_, err := c.Value(t.Context())
	require.ErrorContains(t, err, "without returning")
}

func TestExpiredValueIsRefused(t *testing.T) {
	for name, expires := range map[string]time.Time{
		"no expiry": {},
		"past":      time.Now().Add(-time.Second),
		"now":       time.Unix(1_900_000_000, 0),
	} {
		t.Run(name, func(t *testing.T) {
			now := func() time.Time { return time.Unix(1_900_000_000, 0) }
			c := refresh.New(func(context.Context) (string, time.Time, error) {
				return "stale", expires, nil
			}, refresh.Options{Now: now})
			v, err := c.Value(t.Context())
			require.ErrorContains(t, err, "already expired")
			require.Empty(t, v)
		})
	}
}

// The far end of the calendar must not wrap around into the past.
func TestFarExpiry(t *testing.T) {
	c := refresh.New(func(context.Context) (string, time.Time, error) {
		return "v", time.Date(2900, 1, 1, 0, 0, 0, 0, time.UTC), nil
	}, refresh.Options{})
	require.Equal(t, "v", value(t, c))
	_, ok := c.Peek()
	require.True(t, ok)
}

// A machine that slept: the wall clock moved, the monotonic clock did not.
func TestWallClockDecides(t *testing.T) {
	now := time.Unix(1_900_000_000, 0)
	var calls int
	c := refresh.New(func(context.Context) (int, time.Time, error) {
		calls++
		return calls, now.Add(time.Hour), nil
	}, refresh.Options{Now: func() time.Time { return now }})
	v, err := c.Value(t.Context())
	require.NoError(t, err)
	require.Equal(t, 1, v)
	now = now.Add(8 * time.Hour)
	v, err = c.Value(t.Context())
	require.NoError(t, err)
	require.Equal(t, 2, v)
}

// The same on the machine's own clock, which is mostly the monotonic one: it is
// wrong for a second of running time at most.
func TestSleepOfTheMachineIsNoticed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &source{lifetime: time.Hour}
		c := refresh.New(src.fetch, refresh.Options{})
		require.Equal(t, "v1", value(t, c))
		time.Sleep(59 * time.Minute)
		_, ok := c.Peek()
		require.False(t, ok, "this is within the skew")
		c.Oversleep(30 * time.Minute) // the clock has just been set; now it knows half of those minutes
		require.Equal(t, "v1", value(t, c))
		time.Sleep(time.Second)
		require.Equal(t, "v2", value(t, c))
	})
}

func TestHitAllocatesNothing(t *testing.T) {
	src := &source{lifetime: time.Hour}
	c := refresh.New(src.fetch, refresh.Options{})
	value(t, c)
	require.Zero(t, testing.AllocsPerRun(1000, func() { _, _ = c.Value(t.Context()) }))
}

func value(t *testing.T, c *refresh.Cache[string]) string {
	t.Helper()
	v, err := c.Value(t.Context())
	require.NoError(t, err)
	return v
}

func BenchmarkValue(b *testing.B) {
	src := &source{lifetime: time.Hour}
	c := refresh.New(src.fetch, refresh.Options{})
	ctx := context.Background()
	if _, err := c.Value(ctx); err != nil {
		b.Fatal(err)
	}
	b.Run("hit", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _ = c.Value(ctx)
		}
	})
	b.Run("hit, 64 goroutines", func(b *testing.B) {
		b.ReportAllocs()
		b.SetParallelism(32)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				_, _ = c.Value(ctx)
			}
		})
	})
	b.Run("time.Now alone", func(b *testing.B) {
		for b.Loop() {
			_ = time.Now()
		}
	})
}
