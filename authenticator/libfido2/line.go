//go:build libfido2 && cgo && (linux || darwin) && !386 && !arm && !mips && !mipsle

package libfido2

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	gofido "github.com/keys-pub/go-libfido2"
)

// line is the way to one key. libfido2 opens the key for each command and locks it
// for other programs, not for other threads, so one operation at a time uses a line.
type line struct {
	path    string
	limits  limits
	turn    chan struct{} // holds a token while an operation runs, or a call that was given up
	alive   bool          // guarded by turn: the last command was answered
	retired atomic.Bool   // the key has left, and a call is stuck with what it left behind

	mu    sync.Mutex
	since time.Time // when the call that holds turn was given up; zero: it was not
}

// operation is a turn on the line: one or more calls.
type operation struct {
	line *line
	gone bool // a call was given up, and ends the turn when it returns
}

// begin waits for the turn, and for other programs to let go of the key.
func (l *line) begin(ctx context.Context) (*operation, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("libfido2: %w", err)
	}
	if err := l.take(ctx); err != nil {
		return nil, err
	}
	o := &operation{line: l}
	if err := l.free(ctx); err != nil {
		o.end()
		return nil, err
	}
	return o, nil
}

// beginTouch is begin for an operation that waits for a person. No bound can tell
// such a wait from a key that is dead, so a key that has not just answered is asked
// something simple first.
func (l *line) beginTouch(ctx context.Context) (*operation, error) {
	o, err := l.begin(ctx)
	if err != nil || l.alive {
		return o, err
	}
	_, err = call(ctx, o, l.limits.answer, (*gofido.Device).CTAPHIDInfo)
	if err != nil {
		o.end()
		return nil, err
	}
	return o, nil
}

// end gives the turn to the next operation.
func (o *operation) end() {
	if !o.gone {
		<-o.line.turn
	}
}

func (l *line) take(ctx context.Context) error {
	select {
	case l.turn <- struct{}{}:
		return nil
	default:
	}
	look := time.NewTicker(l.limits.poll)
	defer look.Stop()
	for {
		if l.dead() {
			return ErrNotResponding
		}
		select {
		case l.turn <- struct{}{}:
			return nil
		case <-ctx.Done():
			return fmt.Errorf("libfido2: waiting for the key: %w", ctx.Err())
		case <-look.C:
		}
	}
}

// dead reports whether a call that was given up has not ended for too long.
func (l *line) dead() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.since.IsZero() && time.Since(l.since) > l.limits.drain
}

func (l *line) giveUp(since time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.since = since
}

// free waits until no other program holds the key. libfido2 would do so too, but for
// 21 s in which nothing stops it, and then not say why.
func (l *line) free(ctx context.Context) error {
	for {
		busy, err := held(l.path)
		if err != nil || !busy {
			return err
		}
		select {
		case <-time.After(l.limits.poll):
		case <-ctx.Done():
			return &BusyError{Path: l.path, Err: ctx.Err()}
		}
	}
}

// call runs f, which blocks in C, on a goroutine of its own, and returns when f does,
// when ctx is done, or after limit (0: none). In the latter cases it cancels f until
// it returns, but waits only a moment for that: an f that is stuck keeps the turn.
func call[T any](ctx context.Context, o *operation, limit time.Duration, f func(*gofido.Device) (T, error)) (T, error) {
	var zero T
	l := o.line
	dev, err := gofido.NewDevice(l.path)
	if err != nil {
		return zero, fmt.Errorf("libfido2: %v", err)
	}
	var value T
	var failed error
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		value, failed = f(dev)
	}()
	var late <-chan time.Time
	if limit > 0 {
		timer := time.NewTimer(limit)
		defer timer.Stop()
		late = timer.C
	}
	select {
	case <-ended:
		if failed != nil {
			return zero, l.explain(failed)
		}
		l.alive = true
		return value, nil
	case <-ctx.Done():
		err = fmt.Errorf("libfido2: waiting for the key: %w", ctx.Err())
	case <-late:
		err = ErrNotResponding
	}
	go cancel(dev, l.limits.poll, ended)
	grace := time.NewTimer(l.limits.grace)
	defer grace.Stop()
	select {
	case <-ended:
		if failed == nil { // it was faster, and the person's touch must not be lost
			return value, nil
		}
		l.alive = l.alive && answered(failed)
		return zero, err
	case <-grace.C:
		o.gone, l.alive = true, false
		l.giveUp(time.Now())
		go func() {
			<-ended
			l.giveUp(time.Time{})
			<-l.turn
		}()
		return zero, err
	}
}

// cancel asks the key to stop, again and again: before go-libfido2 has opened it,
// that does nothing, and the key forgets a cancellation that precedes its command.
//
// go-libfido2 publishes the opened handle without the lock under which Cancel reads
// it. The fences order the two: the thread that opened the key has entered C since.
func cancel(dev *gofido.Device, poll time.Duration, ended <-chan struct{}) {
	again := time.NewTicker(poll)
	defer again.Stop()
	for {
		fence()
		// A key that cannot be cancelled, or is gone, is seen by the call itself.
		_ = dev.Cancel()
		fence()
		select {
		case <-ended:
			return
		case <-again.C:
		}
	}
}

// explain turns an error of go-libfido2 into ours, and looks at the path for what
// libfido2 does not tell.
func (l *line) explain(err error) error {
	ours := translate(err)
	var e libraryError
	if !errors.As(ours, &e) {
		// A key that went away before it could say what it knows, libfido2 takes for one
		// that knows U2F only, of which it then says this by itself.
		if errors.Is(ours, errNotFIDO2) || errors.Is(ours, errUnsupported) {
			if _, err := held(l.path); err != nil {
				l.alive = false
				return err
			}
		}
		l.alive = true
		return ours
	}
	l.alive = false
	if !e.ofTheLine() {
		return ours
	}
	if _, err := held(l.path); err != nil {
		return err
	}
	return fmt.Errorf("%w (%v)", ErrNotResponding, ours)
}
