package refresh

import "time"

// Oversleep makes the Cache's clock lag behind the wall clock by d, as it does
// when the machine slept for d and the monotonic clock stood still.
func (c *Cache[T]) Oversleep(d time.Duration) { c.clock.offset.Add(-int64(d)) }

// Peek returns the value if it is there and fresh enough. It starts nothing.
func (c *Cache[T]) Peek() (T, bool) {
	if e := c.current.Load(); e != nil && c.clock.unixNano() < e.end {
		return e.value, true
	}
	var none T
	return none, false
}
