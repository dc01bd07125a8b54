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
// when it is not.
type port struct {
	path string

	mu     sync.Mutex
	users  int
	open   *Transport // nil: closed
	opened chan struct{}
	idle   *time.Timer
	closed bool
}

// CBOR implements authenticator.Transport.
func (p *port) CBOR(ctx context.Context, msg []byte) ([]byte, error) {
	t, err := p.acquire(ctx)
	if err != nil {
		return nil, err
	}
	response, err := t.CBOR(ctx, msg)
	p.release(t, err)
	return response, err
}

// acquire opens the key unless it is open.
func (p *port) acquire(ctx context.Context) (*Transport, error) {
	for {
		p.mu.Lock()
		switch {
		case p.closed:
			p.mu.Unlock()
			return nil, errClosed
		case p.open != nil:
			p.users++
			if p.idle != nil {
				p.idle.Stop()
			}
			t := p.open
			p.mu.Unlock()
			return t, nil
		case p.opened == nil:
			done := make(chan struct{})
			p.opened = done
			p.mu.Unlock()
			t, err := Open(ctx, p.path)
			p.mu.Lock()
			p.opened = nil
			closed := p.closed
			if err == nil && !closed {
				p.open = t
			}
			p.mu.Unlock()
			close(done)
			if err != nil {
				return nil, err
			}
			if closed {
				return nil, errors.Join(errClosed, t.Close())
			}
		default: // somebody else is opening it
			done := p.opened
			p.mu.Unlock()
			select {
			case <-done:
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
	}
}

// release gives the key back when nobody used it for a while, or at once when the line
// to it broke: the next use opens it anew.
func (p *port) release(t *Transport, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.users--
	if p.open != t {
		return
	}
	if errors.Is(err, ErrRemoved) || errors.Is(err, ErrNotResponding) || errors.Is(err, errClosed) {
		p.open = nil
		go t.Close()
		return
	}
	if p.users > 0 {
		return
	}
	p.idle = time.AfterFunc(idlePeriod, func() {
		p.mu.Lock()
		unused := p.users == 0 && p.open == t
		if unused {
			p.open = nil
		}
		p.mu.Unlock()
		if unused {
			_ = t.Close() // the next Open says what is wrong with the key, if anything is
		}
	})
}

// Close gives the key back.
func (p *port) Close() error {
	p.mu.Lock()
	t := p.open
	p.open, p.closed = nil, true
	if p.idle != nil {
		p.idle.Stop()
	}
	p.mu.Unlock()
	if t == nil {
		return nil
	}
	return t.Close()
}
