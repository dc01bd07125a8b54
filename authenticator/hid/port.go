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
	timer  *time.Timer
	closed bool
}

// CBOR implements authenticator.Transport.
func (p *port) CBOR(ctx context.Context, msg []byte) ([]byte, error) {
	return p.use(ctx, func(t *Transport) ([]byte, error) { return t.CBOR(ctx, msg) })
}

// MSG implements authenticator.U2FTransport.
func (p *port) MSG(ctx context.Context, apdu []byte) ([]byte, error) {
	return p.use(ctx, func(t *Transport) ([]byte, error) { return t.MSG(ctx, apdu) })
}

func (p *port) use(ctx context.Context, command func(*Transport) ([]byte, error)) ([]byte, error) {
	t := p.take()
	if t == nil {
		var err error
		if t, err = Open(ctx, p.path); err != nil {
			return nil, err
		}
	}
	response, err := command(t)
	if errors.Is(err, ErrRemoved) || errors.Is(err, ErrNotResponding) {
		go t.Close() // a write that hangs in the kernel must not keep the caller
		return nil, err
	}
	p.put(t)
	return response, err
}

// take returns the open key, if it is open, for the caller alone.
func (p *port) take() *Transport {
	p.mu.Lock()
	defer p.mu.Unlock()
	t := p.idle
	p.idle = nil
	if p.timer != nil {
		p.timer.Stop()
	}
	return t
}

// put keeps the key open for the next command, if that comes soon.
func (p *port) put(t *Transport) {
	p.mu.Lock()
	defer p.mu.Unlock()
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

// Close gives the key back.
func (p *port) Close() error {
	t := p.take()
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	if t == nil {
		return nil
	}
	return t.Close()
}
