package audit

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/mod/sumdb/tlog"
)

const (
	// linger is how long a result waits for an intent with which it can share
	// an fsync.
	linger = 5 * time.Millisecond
	// maxPending bounds the bytes that wait for a slow disk. Beyond it
	// Append and Begin wait; End never does.
	maxPending = 4 << 20
)

// batch is a group of records that share one write and one fsync.
type batch struct {
	buf    []byte
	urgent bool // somebody waits for it
	sign   bool // somebody waits for a checkpoint

	size uint64    // records after the batch
	due  bool      // a checkpoint is, so root is computed
	root tlog.Hash // after the batch

	hurry      chan struct{} // closed when urgent is set
	done       chan struct{} // closed when err and checkpoint are set
	err        error
	checkpoint []byte
}

// wait returns when the batch is on disk, or ctx is done.
func (b *batch) wait(ctx context.Context) error {
	select {
	case <-b.done:
		return b.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (b *batch) setUrgent() {
	if !b.urgent {
		b.urgent = true
		close(b.hurry)
	}
}

// add gives the event its place in the log and queues it. With wait it is
// somebody's to wait for, and there must be room for it.
func (l *Log) add(ctx context.Context, phase string, id, intent recordID, e Event, wait bool) (*batch, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	event, err := appendEvent(make([]byte, 0, 512), &e)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	for wait && l.failed == nil && l.pending != nil && len(l.pending.buf) > maxPending {
		full := l.pending
		l.mu.Unlock()
		if err := full.wait(ctx); err != nil {
			return nil, err
		}
		l.mu.Lock()
	}
	defer l.unlockAndCommit()
	if l.closed {
		return nil, ErrClosed
	}
	if l.failed != nil {
		return nil, l.failed
	}

	at := l.now().UTC().Round(0) // the wall clock alone: it is what the record holds
	if at.Before(l.last) {
		at = l.last
	}
	b := l.batch()
	start := len(b.buf)
	h := head{seq: l.tree.size + 1, at: at, phase: phase, id: id, intent: intent, prev: l.prev}
	b.buf = appendRecord(b.buf, &h, event)
	line := b.buf[start:]
	// What Verify would refuse must not get into the log: it could not be
	// opened again.
	if _, _, err := parseRecord(line, nil); err != nil {
		b.buf = b.buf[:start]
		return nil, fmt.Errorf("audit: the record would not verify: %w", err)
	}
	l.prev = tlog.RecordHash(line)
	l.tree.add(l.prev)
	l.last = at
	b.buf = append(b.buf, '\n')
	if wait {
		b.setUrgent()
	}
	return b, nil
}

// requestCheckpoint queues a checkpoint behind all records queued so far.
func (l *Log) requestCheckpoint() (*batch, error) {
	l.mu.Lock()
	defer l.unlockAndCommit()
	if l.closed {
		return nil, ErrClosed
	}
	if l.failed != nil {
		return nil, l.failed
	}
	b := l.batch()
	b.sign = true
	b.setUrgent()
	return b, nil
}

// batch returns the batch that gathers records. l.mu is held.
func (l *Log) batch() *batch {
	if l.pending == nil {
		l.pending = &batch{buf: make([]byte, 0, 1024), hurry: make(chan struct{}), done: make(chan struct{})}
	}
	return l.pending
}

// unlockAndCommit releases l.mu and sees to it that somebody commits what is
// pending. No goroutine outlives its work: a log that nobody closes leaks none.
func (l *Log) unlockAndCommit() {
	start := l.pending != nil && !l.running
	if start {
		l.running = true
	}
	l.mu.Unlock()
	switch {
	case start && l.inline:
		l.commitPending()
	case start:
		go l.commitPending()
	}
}

func (l *Log) commitPending() {
	for b := l.next(); b != nil; b = l.next() {
		l.commit(b)
	}
}

// next takes the pending batch, or says that there is none left.
func (l *Log) next() *batch {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.pending
	if b != nil && !b.urgent && !l.inline {
		l.mu.Unlock()
		patience := time.NewTimer(linger)
		select {
		case <-b.hurry:
		case <-patience.C:
		}
		patience.Stop()
		l.mu.Lock()
	}
	l.pending = nil
	if b == nil {
		l.running = false
		return nil
	}
	b.size = l.tree.size
	b.due = !l.inline && time.Since(l.signedAt) >= l.every
	if b.sign || b.due {
		b.root = l.tree.root()
	}
	return b
}

// commit makes the batch durable and tells those who wait for it.
func (l *Log) commit(b *batch) {
	l.mu.Lock()
	err := l.failed
	l.mu.Unlock()
	if err == nil && len(b.buf) > 0 {
		err = l.store.append(b.buf)
	}
	if err == nil {
		l.mu.Lock()
		l.size += int64(len(b.buf))
		l.mu.Unlock()
	}
	if err == nil && b.sign {
		b.checkpoint, err = l.writeCheckpoint(b)
	}
	b.err = l.fail(err)
	close(b.done)
	if err == nil && !b.sign && !l.inline {
		l.checkpointInTime(b)
	}
}

// fail makes err final. It returns what callers see of it.
func (l *Log) fail(err error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil && l.failed == nil {
		l.failed = &WriteError{Err: err}
		if l.timer != nil {
			l.timer.Stop()
		}
	}
	return l.failed
}

// writeCheckpoint signs the state after the batch, which is on disk.
func (l *Log) writeCheckpoint(b *batch) ([]byte, error) {
	msg, err := checkpoint{origin: l.signer.Name(), size: b.size, root: b.root}.sign(l.signer)
	if err != nil {
		return nil, err
	}
	if err := l.store.replaceCheckpoint(msg); err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.signed, l.signedAt = b.size, time.Now()
	return msg, nil
}

// checkpointInTime writes a checkpoint if one is due, else sees to it that one
// is written when it is.
func (l *Log) checkpointInTime(b *batch) {
	if b.due {
		_, err := l.writeCheckpoint(b)
		_ = l.fail(err) // the next caller sees it
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || l.timer != nil {
		return
	}
	l.timer = time.AfterFunc(l.every-time.Since(l.signedAt), func() {
		l.mu.Lock()
		l.timer = nil
		covered := l.signed == l.tree.size
		l.mu.Unlock()
		if !covered {
			_, _ = l.requestCheckpoint() // fails only if the log has failed or is closed
		}
	})
}
