package audit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/mod/sumdb/note"
)

// ErrClosed says that the log was closed before the call.
var ErrClosed = errors.New("audit: the log is closed")

// WriteError says that the log cannot be written. The first failure of a file is
// final: what a disk holds after a failed write is unknown, so nothing is
// acknowledged after it until the log is opened anew, and verified. A database
// knows what it holds, and may be there again for the next call.
type WriteError struct {
	Err       error // what the operating system or the database said
	Temporary bool  // the log is tried again; only of one in a database
}

func (e *WriteError) Error() string {
	if e.Temporary {
		return fmt.Sprintf("audit: the log could not be written, and will be tried again: %v", e.Err)
	}
	return fmt.Sprintf("audit: the log cannot be written and must be opened anew: %v", e.Err)
}

// Unwrap returns what the operating system or the database said.
func (e *WriteError) Unwrap() error { return e.Err }

// Options are the optional settings of a [Log].
type Options struct {
	// Now is the clock that dates records; nil means [time.Now]. Times in a log
	// never go back: while Now does, records repeat the latest time.
	Now func() time.Time

	// CheckpointInterval bounds how long a record in a file may wait for the
	// signed checkpoint that covers it; 0 means one second. Until then somebody
	// with write access to the file could cut it off unseen.
	CheckpointInterval time.Duration

	// Delivery says, by type of event, what [Log.Append] promises. A type that is
	// not in it has the delivery of the catalogue, and one that is in neither is
	// enforced. Intents and results are always enforced.
	Delivery map[string]Delivery

	// OffHost are places off this host, where the writer of the log cannot take
	// back what it has sent. Each gets the signed checkpoints as they are made, at
	// most one per CheckpointInterval, the newest always, and never holds up the
	// log. A copy lags behind the log by at most two intervals and the ten seconds
	// that a delivery may take. While deliveries fail they are tried again, after
	// pauses from one second to one minute, so that a copy is current again at most
	// that much later; the log records when it began and when it was over.
	OffHost []CheckpointSink

	// Mirror, if not nil, is also handed every record, in order, once it is durable:
	// the way to a log collector. It is not evidence and not waited for; what it is
	// too slow for or refuses is counted, and an event of type "audit.lost" says so
	// when it takes records again. Each replica mirrors the records it has written.
	Mirror slog.Handler

	// Logger is told what goes wrong in the background; nil discards it.
	Logger *slog.Logger
}

// Log is an append-only record of what happened. It is safe for concurrent use.
type Log struct {
	store  store    // nil if shared is not: a log of this program alone
	shared *replica // nil if store is not: other programs write it too
	signer note.Signer
	now    func() time.Time
	every  time.Duration
	inline bool // commit on the caller's goroutine: nothing to wait for

	deliveries map[string]Delivery
	offHost    []*courier
	mirror     *mirror // nil: none
	logger     *slog.Logger

	mu       sync.Mutex
	end      chain         // every record, the pending ones included; unused if shared
	pending  *batch        // waits for the commit under way
	usual    int           // bytes that a batch takes, by the latest
	spare    []byte        // empty, and the room of a batch that is on disk
	running  bool          // a goroutine commits
	pause    time.Duration // before the next try, after one that failed; only if shared
	failed   error         // final
	lost     losses
	closed   bool
	closing  chan struct{} // closed when closed is set
	size     int64         // bytes on disk
	signed   uint64        // records under the newest checkpoint
	signedAt time.Time     // when it was written
	timer    *time.Timer
}

// store keeps the bytes. Only the committing goroutine writes.
type store interface {
	io.ReaderAt
	append(p []byte) error               // p is durable when it returns
	replaceCheckpoint(note []byte) error // atomically; durable when it returns
	close() error
}

func newLog(s store, signer note.Signer, o Options) *Log {
	l := &Log{
		store: s, signer: signer, now: o.Now, every: o.CheckpointInterval,
		deliveries: maps.Clone(o.Delivery), logger: o.Logger, closing: make(chan struct{}),
	}
	if l.now == nil {
		l.now = time.Now
	}
	if l.every <= 0 {
		l.every = time.Second
	}
	if l.logger == nil {
		l.logger = slog.New(slog.DiscardHandler)
	}
	for _, sink := range o.OffHost {
		l.offHost = append(l.offHost, &courier{log: l, sink: sink})
	}
	if o.Mirror != nil {
		l.mirror = &mirror{log: l, handler: o.Mirror}
	}
	return l
}

// Append records an event that has happened, or was refused. The record is on
// disk when Append returns nil, unless the [Delivery] of its type is [BestEffort]. It fails with ctx's error when ctx is done
// first (the record may then still be written), with a [*WriteError] when the
// log cannot be written, and with [ErrClosed].
func (l *Log) Append(ctx context.Context, e Event) error {
	if l.delivery(e.Type) == BestEffort {
		return l.tryAppend(e)
	}
	b, err := l.add(ctx, entry{phase: phaseEvent, id: newRecordID(), waited: true}, e)
	if err != nil {
		return err
	}
	return b.wait(ctx)
}

// Begin records that what e describes is about to be done. The record is on
// disk when Begin returns: only then may the act begin. Whoever got an Intent
// must call [Intent.End]. Begin fails as Append does; an intent that is given
// up because ctx is done gets the result [Failed].
func (l *Log) Begin(ctx context.Context, e Event) (*Intent, error) {
	if e.Outcome != "" {
		return nil, errors.New("audit: an intent has no outcome yet")
	}
	id := newRecordID()
	settled := new(atomic.Bool)
	b, err := l.add(ctx, entry{phase: phaseIntent, id: id, waited: true, settled: settled}, e)
	if err != nil {
		return nil, err
	}
	if err := b.wait(ctx); err != nil {
		if !settled.Swap(true) {
			e.Outcome, e.Reason = Failed, givenUp
			// If this fails so did the intent, or the log says that it is open.
			_, _ = l.add(context.WithoutCancel(ctx), entry{phase: phaseResult, id: newRecordID(), intent: id}, e)
		}
		return nil, err
	}
	return &Intent{log: l, id: id, typ: e.Type}, nil
}

// givenUp is the reason of a result that nobody but the log gives.
const givenUp = "the caller gave up before the intent was on disk"

// Intent is an act that was announced in the log and has not ended.
type Intent struct {
	log   *Log
	id    recordID
	typ   string
	ended atomic.Bool
}

// End records how the act ended: OK, Denied or Failed. An empty e.Type means
// the type of the intent; e.Outcome is replaced. It does not matter whether ctx
// is done: what happened is recorded.
//
// End does not wait for the disk. Results are written in the order of the
// calls, with the next group of records and at most a few milliseconds after
// the commit that is under way. A crash in between leaves the intent
// open, which [Verify] reports; that an act may have happened is on disk since
// Begin. A write that fails fails every later Begin. End itself fails when the
// log has failed or is closed, and when it was called before.
func (i *Intent) End(ctx context.Context, outcome Outcome, e Event) error {
	if outcome == "" {
		return errors.New("audit: a result needs an outcome")
	}
	e.Outcome = outcome
	if e.Type == "" {
		e.Type = i.typ
	}
	if i.ended.Swap(true) {
		return errors.New("audit: the intent has ended before")
	}
	_, err := i.log.add(context.WithoutCancel(ctx), entry{phase: phaseResult, id: newRecordID(), intent: i.id}, e)
	if err != nil {
		i.ended.Store(false) // nothing was recorded: the caller may mend the event
	}
	return err
}

// Checkpoint signs and returns the size and root of the log, all records that
// were acknowledged before the call included. Its form is
// https://c2sp.org/tlog-checkpoint. Kept where the writer of the log cannot
// reach, it shows later that none of them was changed or cut off.
func (l *Log) Checkpoint(ctx context.Context) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	b, err := l.requestCheckpoint()
	if err != nil {
		return nil, err
	}
	if err := b.wait(ctx); err != nil {
		return nil, err
	}
	return b.checkpoint, nil
}

// WriteTo writes the records that are on disk to w, in the form that [Verify]
// reads. It implements [io.WriterTo].
func (l *Log) WriteTo(w io.Writer) (int64, error) {
	l.mu.Lock()
	size, closed := l.size, l.closed
	l.mu.Unlock()
	if closed && !l.inline {
		return 0, ErrClosed
	}
	if l.shared != nil {
		return io.Copy(w, ReadSQL(context.Background(), l.shared.db))
	}
	n, err := io.Copy(w, io.NewSectionReader(l.store, 0, size))
	if err != nil {
		return n, fmt.Errorf("audit: copying the log: %v", err)
	}
	return n, nil
}

// Close writes what is pending and a last checkpoint, and releases the file or
// database. It returns the error that made the log fail, if one did, and else
// says which of the places off this host the last checkpoint did not reach within
// ten seconds.
func (l *Log) Close() error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return nil
	}
	l.recordLosses()
	l.closed = true
	close(l.closing)
	if l.timer != nil {
		l.timer.Stop()
	}
	final := l.batch()
	final.sign = true
	final.setUrgent()
	l.unlockAndCommit()
	<-final.done
	err := final.err
	if cerr := l.release(); err == nil && cerr != nil {
		err = fmt.Errorf("audit: closing the log: %v", cerr)
	}
	if l.mirror != nil {
		l.mirror.close()
	}
	if missed := closeAll(l.offHost); err == nil {
		err = missed
	}
	return err
}

func (l *Log) release() error {
	if l.shared != nil {
		return l.shared.db.Close()
	}
	return l.store.close()
}
