package refresh

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// Source fetches a fresh value and says when it expires. It is called on a
// goroutine of the Cache's own, one call at a time, with a context that carries
// no values and ends after [Options.Timeout] or when the Cache is closed. It must
// never do what needs a person.
type Source[T any] func(ctx context.Context) (value T, expires time.Time, err error)

// Options adjusts a [Cache]. The zero value is right for short-lived tokens.
type Options struct {
	// Now is the clock. Nil is the machine's.
	Now func() time.Time

	// Skew says how long before its end a value that lives for lifetime is no
	// longer handed out. Nil is max(60 s, 10 % of the lifetime). Whatever it
	// says, half of the lifetime is the most that is taken, and nothing of a
	// lifetime below 10 s: where every value ends at the same hard end, lives
	// that are halved again and again would drive the source.
	Skew func(lifetime time.Duration) time.Duration

	// Ahead says how long before its end a value that lives for lifetime is
	// renewed in the background by the next caller, who gets the old one and
	// does not wait. Nil is twice the skew; what is below the skew means never.
	// Whatever it says, two thirds of the lifetime is the most that is taken.
	Ahead func(lifetime time.Duration) time.Duration

	// Timeout bounds one call of the source. Zero is 30 s.
	Timeout time.Duration

	// Backoff says how long the source is left alone after its failures-th
	// failure in a row, which was err. Nil is [Pause].
	Backoff func(failures int, err error) time.Duration

	// Settle is the shortest time between two invalidations that take effect.
	// Zero is 30 s.
	Settle time.Duration
}

const (
	century = 100 * 365 * 24 * time.Hour
	brief   = 10 * time.Second
)

// Errors of the Cache itself; all others come from the source, as they are.
var (
	errExpired  = errors.New("refresh: the source returned a value that has already expired")
	errNoReturn = errors.New("refresh: the source ended without returning")
	errClosed   = errors.New("refresh: closed")
)

// Cache holds a value of type T until shortly before it expires.
type Cache[T any] struct {
	current atomic.Pointer[entry[T]]
	clock   *clock
	source  Source[T]
	o       Options
	stop    context.CancelFunc
	alive   context.Context // ends with Close; the parent of every flight, never a caller's

	mu       sync.Mutex // guards what follows, and writes of current
	flight   *flight[T]
	closed   error
	failed   error // the last failure; nil after a success
	failures int
	retry    int64 // no flight before this elapsed time
	settled  int64 // no invalidation before this elapsed time
}

// entry is immutable once it is published.
type entry[T any] struct {
	value T
	ahead int64 // from here on, the next caller starts a renewal
	end   int64 // from here on, it is not handed out
}

type flight[T any] struct {
	done  chan struct{} // closed when value and err are set
	value T
	err   error
}

// New returns a Cache that has called nothing yet.
func New[T any](src Source[T], o Options) *Cache[T] {
	if o.Skew == nil {
		o.Skew = defaultSkew
	}
	if o.Ahead == nil {
		skew := o.Skew
		o.Ahead = func(lifetime time.Duration) time.Duration { return 2 * skew(lifetime) }
	}
	if o.Timeout <= 0 {
		o.Timeout = 30 * time.Second
	}
	if o.Backoff == nil {
		o.Backoff = func(failures int, _ error) time.Duration { return Pause(failures) }
	}
	if o.Settle <= 0 {
		o.Settle = 30 * time.Second
	}
	alive, stop := context.WithCancel(context.Background())
	return &Cache[T]{clock: newClock(o.Now), source: src, o: o, alive: alive, stop: stop}
}

// defaultSkew is wider than the 30 s within which Databricks tools refuse a
// token, and leaves room for a clock that is a little off.
func defaultSkew(lifetime time.Duration) time.Duration {
	return max(time.Minute, lifetime/10)
}

// Pause is how long a source is left alone after its failures-th failure in a row:
// 1 s each while those who wait for it still do, then twice as long each time, up
// to 1 min. A laptop that was opened again has its network within seconds.
func Pause(failures int) time.Duration {
	const patient = 5 // calls
	return min(time.Second<<min(max(failures-patient, 0), 6), time.Minute)
}

// Value returns the value, from memory if it is fresh enough, else from the
// source. It returns ctx's error as soon as ctx ends while it waits, and the
// source's error when the source failed, now or so recently that it is still
// left alone.
func (c *Cache[T]) Value(ctx context.Context) (T, error) {
	if e := c.current.Load(); e != nil && c.clock.unixNano() < e.ahead {
		return e.value, nil
	}
	return c.renew(ctx)
}

// Put hands the Cache a value that came by another way, such as the first token
// of a session that a person just began.
func (c *Cache[T]) Put(value T, expires time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.clock.unixNano()
	switch {
	case c.closed != nil:
		return c.closed
	case lifetime(expires, now) <= 0:
		return errExpired
	}
	c.publish(value, expires, now)
	return nil
}

// Invalidate forgets the value if stale says so, and reports whether it did. The
// next caller then waits for a new one. It takes effect at most once per
// [Options.Settle]: a consumer that refuses every value must not have one minted
// for each refusal.
func (c *Cache[T]) Invalidate(stale func(T) bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, elapsed := c.current.Load(), c.clock.elapsed()
	if e == nil || elapsed < c.settled || !stale(e.value) {
		return false
	}
	c.settled = elapsed + int64(c.o.Settle)
	c.current.Store(nil)
	return true
}

// Close forgets the value, ends a flight that is under way, and makes every
// later call of Value return cause, which must say why.
func (c *Cache[T]) Close(cause error) {
	if cause == nil {
		cause = errClosed
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed == nil {
		c.closed = cause
	}
	c.current.Store(nil)
	c.stop()
}

// renew is Value off the fast path.
func (c *Cache[T]) renew(ctx context.Context) (T, error) {
	var none T
	c.mu.Lock()
	e, now := c.current.Load(), c.clock.unixNano()
	switch {
	case c.closed != nil:
		defer c.mu.Unlock()
		return none, c.closed
	case e != nil && now < e.end: // usable; at most its renewal is due
		if now >= e.ahead && c.flight == nil && c.clock.elapsed() >= c.retry {
			c.depart()
		}
		c.mu.Unlock()
		return e.value, nil
	case ctx.Err() != nil: // a caller who has left must not cause a call
		c.mu.Unlock()
		return none, ctx.Err()
	case c.flight == nil && c.clock.elapsed() < c.retry:
		defer c.mu.Unlock()
		return none, c.failed
	case c.flight == nil:
		c.depart()
	}
	f := c.flight
	c.mu.Unlock()

	select {
	case <-f.done:
		return f.value, f.err
	case <-ctx.Done():
		return none, ctx.Err()
	case <-c.alive.Done(): // also when the source does not heed its context
		c.mu.Lock()
		defer c.mu.Unlock()
		return none, c.closed
	}
}

// depart starts a flight; the caller holds mu.
func (c *Cache[T]) depart() {
	f := &flight[T]{done: make(chan struct{}), err: errNoReturn}
	c.flight = f
	go func() {
		var expires time.Time
		// Deferred, so that waiters are released even by a source that leaves
		// through runtime.Goexit.
		defer func() { c.land(f, expires) }()
		ctx, cancel := context.WithTimeout(c.alive, c.o.Timeout)
		defer cancel()
		f.value, expires, f.err = c.source(ctx)
	}()
}

// land publishes what a flight brought and releases its waiters.
func (c *Cache[T]) land(f *flight[T], expires time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	defer close(f.done)
	c.flight = nil

	now := c.clock.unixNano()
	if f.err == nil && lifetime(expires, now) <= 0 {
		f.err = errExpired
	}
	if c.closed != nil {
		f.err = c.closed
	}
	if f.err != nil {
		var none T
		f.value = none
		c.failures++
		c.failed = f.err
		c.retry = c.clock.elapsed() + int64(c.o.Backoff(c.failures, f.err))
		return
	}
	c.publish(f.value, expires, now)
}

// publish makes value the current one; the caller holds mu.
func (c *Cache[T]) publish(value T, expires time.Time, now int64) {
	c.failed, c.failures, c.retry = nil, 0, 0
	life := lifetime(expires, now)
	skew := min(max(c.o.Skew(life), 0), life/2)
	ahead := max(min(c.o.Ahead(life), life/3*2), skew)
	if life < brief {
		skew, ahead = 0, 0
	}
	end := now + int64(life)
	c.current.Store(&entry[T]{value: value, ahead: end - int64(ahead), end: end - int64(skew)})
}

// lifetime is what is left at now. Sub saturates where UnixNano would wrap; a
// century keeps the sums that follow from wrapping too.
func lifetime(expires time.Time, now int64) time.Duration {
	return min(expires.Sub(time.Unix(0, now)), century)
}
