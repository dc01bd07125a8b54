package refresh

import (
	"sync/atomic"
	"time"
)

// anchorEvery is how long the monotonic clock is trusted before it is set by
// the wall clock again.
const anchorEvery = int64(time.Second)

// clock tells the wall time for the price of the monotonic clock. See the
// package documentation for why it may not be the monotonic clock itself.
type clock struct {
	injected func() time.Time
	base     time.Time    // carries the monotonic reading everything is relative to
	offset   atomic.Int64 // wall minus monotonic, in nanoseconds, when last compared
	anchored atomic.Int64 // the monotonic time of that comparison
}

func newClock(now func() time.Time) *clock {
	c := &clock{injected: now, base: time.Now()}
	c.anchor()
	return c
}

// unixNano returns the wall time in nanoseconds since 1970.
func (c *clock) unixNano() int64 {
	if c.injected != nil {
		return c.injected().UnixNano()
	}
	mono := int64(time.Since(c.base))
	if mono-c.anchored.Load() >= anchorEvery {
		return c.anchor()
	}
	return mono + c.offset.Load()
}

// elapsed returns a time that only grows, for waits: a wall clock set back by an
// hour must not leave a failed source alone for that hour.
func (c *clock) elapsed() int64 {
	if c.injected != nil {
		return c.injected().UnixNano()
	}
	return int64(time.Since(c.base))
}

// anchor compares the two clocks. Two goroutines that do so at once store
// readings that are equally good.
func (c *clock) anchor() int64 {
	now := time.Now()
	wall, mono := now.UnixNano(), int64(now.Sub(c.base))
	c.offset.Store(wall - mono)
	c.anchored.Store(mono)
	return wall
}
