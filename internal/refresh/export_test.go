package refresh

import "time"

// Oversleep makes the Cache's clock lag behind the wall clock by d, as it does
// when the machine slept for d and the monotonic clock stood still.
func (c *Cache[T]) Oversleep(d time.Duration) { c.clock.offset.Add(-int64(d)) }
