package audit

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// CheckpointSink keeps checkpoints where the writer of the log cannot change
// them. Packages offhost has two.
//
// Keep returns nil when the checkpoint is safe. It is called by one goroutine at
// a time and with a deadline. The sizes of the checkpoints it is given grow, but
// for those of several replicas, which may overtake each other. Its error goes
// into the log: it must say no secret.
type CheckpointSink interface {
	Keep(ctx context.Context, checkpoint []byte) error
}

const (
	deliveryTimeout = 10 * time.Second // of one try
	firstPause      = time.Second      // after the first try that failed; then twice as long each time …
	maxPause        = time.Minute      // … up to this
)

// courier brings checkpoints to one sink, in the background. No goroutine of it
// outlives a delivery.
type courier struct {
	log  *Log
	sink CheckpointSink

	mu      sync.Mutex
	waiting []byte        // the newest that is not delivered
	busy    chan struct{} // closed when the delivery under way is over; nil: none is
	timer   *time.Timer   // begins the next
	tried   time.Time     // the latest
	fails   int           // in a row
	stopped bool
}

// send hands a new checkpoint to the couriers.
func (l *Log) send(msg []byte) {
	for _, c := range l.offHost {
		c.mu.Lock()
		c.waiting = msg
		c.plan()
		c.mu.Unlock()
	}
}

// plan begins a delivery, or sees to it that one begins in time. c.mu is held.
func (c *courier) plan() {
	if c.waiting == nil || c.busy != nil || c.timer != nil || c.stopped {
		return
	}
	if wait := time.Until(c.tried.Add(c.interval())); wait > 0 {
		c.timer = time.AfterFunc(wait, func() {
			c.mu.Lock()
			defer c.mu.Unlock()
			if c.timer = nil; c.busy == nil && !c.stopped {
				c.begin()
			}
		})
		return
	}
	c.begin()
}

// interval is how long one try follows another.
func (c *courier) interval() time.Duration {
	if c.fails == 0 {
		return c.log.every
	}
	return min(firstPause<<min(c.fails-1, 10), maxPause)
}

func (c *courier) begin() {
	c.busy = make(chan struct{})
	go c.deliver()
}

func (c *courier) deliver() {
	c.mu.Lock()
	msg := c.waiting
	c.waiting = nil
	c.mu.Unlock()
	err := c.try(msg)

	c.mu.Lock()
	before := c.fails
	c.tried = time.Now()
	if err == nil {
		c.fails = 0
	} else {
		c.fails++
		if c.waiting == nil { // else a newer one says the same and more
			c.waiting = msg
		}
	}
	c.mu.Unlock()
	c.report(err, before)
	c.mu.Lock()
	defer c.mu.Unlock()
	close(c.busy)
	c.busy = nil
	c.plan()
}

func (c *courier) try(msg []byte) error {
	ctx, cancel := context.WithTimeout(context.Background(), deliveryTimeout)
	defer cancel()
	return c.sink.Keep(ctx, msg)
}

// report records the first failure of a row, and its end.
func (c *courier) report(err error, before int) {
	switch {
	case err != nil:
		c.log.logger.Error("a checkpoint did not reach the place off this host; it is tried again", "error", err, "failures", before+1)
		if before == 0 {
			_ = c.log.tryAppend(Event{Type: typeOffHostFailed, Outcome: Failed, Reason: err.Error()})
		}
	case before > 0:
		c.log.logger.Info("checkpoints reach the place off this host again", "failures", before)
		_ = c.log.tryAppend(Event{Type: typeOffHostRestored, Outcome: OK, Reason: fmt.Sprintf("after %d tries that failed", before)})
	}
}

// close delivers what waits, once, and says if that fails.
func (c *courier) close() error {
	c.mu.Lock()
	c.stopped = true
	if c.timer != nil {
		c.timer.Stop()
	}
	busy := c.busy
	c.mu.Unlock()
	if busy != nil {
		<-busy
	}
	c.mu.Lock()
	msg := c.waiting
	c.waiting = nil
	c.mu.Unlock()
	if msg == nil {
		return nil
	}
	if err := c.try(msg); err != nil {
		return fmt.Errorf("audit: the last checkpoint did not leave this host (it stands beside the log; bring it there by hand): %w", err)
	}
	return nil
}

func closeAll(all []*courier) error {
	errs := make([]error, len(all))
	var wg sync.WaitGroup
	for i, c := range all {
		wg.Go(func() { errs[i] = c.close() })
	}
	wg.Wait()
	return errors.Join(errs...)
}
