package audit

import (
	"context"
	"time"
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
	buf     []byte  // their lines, or, if the log is shared …
	entries []entry // … the records, which have no place yet
	bytes   int     // of events in entries

	urgent bool // somebody waits for it
	sign   bool // somebody waits for a checkpoint

	end *chain // after the batch, if it is needed; nil if the log is shared
	due bool   // a checkpoint is

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

// add gives the event its place in the log and queues it. If it is waited for,
// there must be room for it.
func (l *Log) add(ctx context.Context, en entry, e Event) (*batch, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var err error
	if en.event, err = encode(&e); err != nil {
		return nil, err
	}
	l.mu.Lock()
	for en.waited && l.failed == nil && l.full() {
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
	l.recordLosses()
	if err := l.queue(&en); err != nil {
		return nil, err
	}
	if en.waited {
		l.pending.setUrgent()
	}
	return l.pending, nil
}

// full reports whether so much waits that what can wait must. l.mu is held.
func (l *Log) full() bool {
	return l.pending != nil && len(l.pending.buf)+l.pending.bytes > maxPending
}

// queue adds e to the pending batch. l.mu is held.
func (l *Log) queue(e *entry) error {
	e.at = l.now().UTC().Round(0) // the wall clock alone: it is what the record holds
	b := l.batch()
	if l.shared != nil { // which place it gets is known when the others have theirs
		var alone chain
		if _, err := alone.place(nil, e); err != nil {
			return err
		}
		b.entries = append(b.entries, *e)
		b.bytes += len(e.event)
		return nil
	}
	buf, err := l.end.place(b.buf, e)
	if err != nil {
		return err
	}
	b.buf = append(buf, '\n')
	return nil
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
		l.pending = &batch{buf: l.spare, hurry: make(chan struct{}), done: make(chan struct{})}
		if l.spare = nil; cap(l.pending.buf) < l.usual {
			l.pending.buf = make([]byte, 0, l.usual)
		}
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
	l.recordLosses()
	b := l.pending
	if b != nil && !l.inline {
		l.linger(b)
	}
	l.pending = nil
	if b == nil {
		l.running = false
		return nil
	}
	// What comes together once comes together again: growing costs more than room.
	l.usual = min(max(2048, len(b.buf)+len(b.buf)/4), maxPending)
	b.due = !l.inline && time.Since(l.signedAt) >= l.every
	if l.shared == nil && (b.sign || b.due) {
		end := l.end
		b.end = &end
	}
	return b
}

// linger waits a moment for company, unless somebody waits for the batch, and
// longer after a failure. It gives l.mu away meanwhile.
func (l *Log) linger(b *batch) {
	patience, hurry := linger, b.hurry
	switch {
	case l.pause > 0:
		patience, hurry = l.pause, l.closing
	case b.urgent:
		return
	}
	l.mu.Unlock()
	timer := time.NewTimer(patience)
	select {
	case <-hurry:
	case <-timer.C:
	}
	timer.Stop()
	l.mu.Lock()
}

// commit makes the batch durable and tells those who wait for it.
func (l *Log) commit(b *batch) {
	if l.shared != nil {
		l.commitShared(b)
		return
	}
	l.mu.Lock()
	err := l.failed
	l.mu.Unlock()
	if err == nil && len(b.buf) > 0 {
		err = l.store.append(b.buf)
	}
	if err == nil {
		l.mu.Lock()
		l.size += int64(len(b.buf))
		if l.mirror == nil && cap(b.buf) <= 2*maxPending { // a mirror keeps the lines
			l.spare = b.buf[:0]
		}
		l.mu.Unlock()
		l.mirror.offer(b.buf)
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
	msg, err := b.end.checkpoint(l.signer.Name()).sign(l.signer)
	if err != nil {
		return nil, err
	}
	if err := l.store.replaceCheckpoint(msg); err != nil {
		return nil, err
	}
	l.mu.Lock()
	l.signed, l.signedAt = b.end.tree.size, time.Now()
	l.mu.Unlock()
	l.send(msg)
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
		covered := l.signed == l.end.tree.size
		l.mu.Unlock()
		if !covered {
			_, _ = l.requestCheckpoint() // fails only if the log has failed or is closed
		}
	})
}
