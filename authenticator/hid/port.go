package hid

import (
	"context"
	"errors"
	"sync"
	"time"
)

// idlePeriod is for how long a key stays open after a command. It spans the commands of
// one operation, between which another program must not come, and no more.
const idlePeriod = 500 * time.Millisecond

// port is where a key is plugged in: a Transport that opens when it is used and closes
// when it is not. Its user is a Device, which sends one command at a time.
type port struct {
	path string

	mu     sync.Mutex
	idle   *Transport // open and unused; a command takes it away and puts it back
	used   *Transport // a command runs on it
	timer  *time.Timer
	closed bool
	stop   context.CancelFunc // ends the command under way
}

// CBOR implements authenticator.Transport.
func (p *port) CBOR(ctx context.Context, msg []byte) ([]byte, error) {
	return p.use(ctx, func(ctx context.Context, t *Transport) ([]byte, error) { return t.CBOR(ctx, msg) })
}

// MSG implements authenticator.U2FTransport.
func (p *port) MSG(ctx context.Context, apdu []byte) ([]byte, error) {
	return p.use(ctx, func(ctx context.Context, t *Transport) ([]byte, error) { return t.MSG(ctx, apdu) })
}

func (p *port) use(ctx context.Context, command func(context.Context, *Transport) ([]byte, error)) ([]byte, error) {
	stoppable, stop := context.WithCancel(ctx)
	defer stop()
	t, err := p.take(stoppable, stop)
	if err != nil {
		return nil, p.explain(ctx, err)
	}
	response, err := command(stoppable, t)
	if errors.Is(err, ErrRemoved) || errors.Is(err, ErrNotResponding) {
		p.hold(nil)
		go t.Close() // a write that hangs in the kernel must not keep the caller
		return nil, err
	}
	p.put(t)
	return response, p.explain(ctx, err)
}

// take returns the open key for the caller alone, and opens it if need be. stop ends what
// the caller does with it.
func (p *port) take(ctx context.Context, stop context.CancelFunc) (*Transport, error) {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil, errClosed
	}
	if p.timer != nil {
		p.timer.Stop()
	}
	t := p.idle
	p.idle, p.used, p.stop = nil, t, stop
	p.mu.Unlock()
	if t != nil {
		return t, nil
	}
	t, err := Open(ctx, p.path)
	if err != nil {
		return nil, err
	}
	p.hold(t)
	return t, nil
}

// hold notes what Close has to close.
func (p *port) hold(t *Transport) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.used = t
}

// explain tells the end of this port from the end of the caller's ctx.
func (p *port) explain(ctx context.Context, err error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil && p.closed && ctx.Err() == nil {
		return errClosed
	}
	return err
}

// put keeps the key open for the next command, if that comes soon.
func (p *port) put(t *Transport) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.used = nil
	if p.closed {
		go t.Close()
		return
	}
	p.idle = t
	p.timer = time.AfterFunc(idlePeriod, func() {
		p.mu.Lock()
		unused := p.idle == t
		if unused {
			p.idle = nil
		}
		p.mu.Unlock()
		if unused {
			_ = t.Close() // the next Open says what is wrong with the key, if anything is
		}
	})
}

// Close gives the key back, and ends the command under way.
func (p *port) Close() error {
	p.mu.Lock()
	p.closed = true
	t := p.idle
	if p.idle = nil; t == nil {
		t = p.used
	}
	if p.timer != nil {
		p.timer.Stop()
	}
	if p.stop != nil {
		p.stop() // the wait for a key that is not open yet
	}
	p.mu.Unlock()
	if t == nil {
		return nil
	}
	return t.Close()
}
