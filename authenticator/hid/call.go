package hid

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// pending is a command under way. It runs on a goroutine of its own, so that its caller
// can leave when ctx is done while the key is told to cancel.
type pending struct {
	ctx     context.Context
	command byte
	busy    atomic.Bool // another program's transaction is in the way
	result  chan outcome
}

type outcome struct {
	data []byte
	err  error
}

// call runs a command when its turn comes.
func (t *Transport) call(ctx context.Context, command byte, msg []byte) ([]byte, error) {
	if longest := capacity(t.node.out); len(msg) > longest {
		return nil, fmt.Errorf("hid: a message of %d bytes: CTAPHID carries %d", len(msg), longest)
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("hid: %w", err)
	}
	select {
	case t.turn <- struct{}{}:
	case <-t.closing:
		return nil, errClosed
	case <-ctx.Done():
		return nil, fmt.Errorf("hid: waiting for the key: %w", ctx.Err())
	}
	t.message = append(t.message[:0], msg...)
	p := &pending{ctx: ctx, command: command, result: make(chan outcome, 1)}
	t.mu.Lock()
	t.current = p
	t.mu.Unlock()
	go t.run(p)
	select {
	case o := <-p.result:
		return o.data, o.err
	case <-ctx.Done():
	}
	t.mu.Lock()
	if t.current == p {
		t.node.interrupt()
	}
	t.mu.Unlock()
	if p.busy.Load() {
		return nil, &BusyError{Path: t.node.path, Err: ctx.Err()}
	}
	return nil, fmt.Errorf("hid: waiting for the key: %w", ctx.Err())
}

func (t *Transport) run(p *pending) {
	data, err := t.transact(p)
	t.detach()
	clear(t.message)
	clear(t.inBuf)
	clear(t.outBuf)
	t.in.reset()
	<-t.turn
	p.result <- outcome{data, err}
}

// detach keeps the caller, who may leave at any moment, from interrupting what follows.
func (t *Transport) detach() {
	t.mu.Lock()
	t.current = nil
	t.mu.Unlock()
}

// stopped says why the command must end, if it must.
func (t *Transport) stopped(p *pending) error {
	if err := p.ctx.Err(); err != nil {
		return fmt.Errorf("hid: waiting for the key: %w", err)
	}
	select {
	case <-t.closing:
		return errClosed
	default:
		return nil
	}
}

const (
	busySoon  = 10 * time.Millisecond
	busyLater = 200 * time.Millisecond
)

// transact repeats a command that another program's transaction keeps the key from
// taking.
func (t *Transport) transact(p *pending) ([]byte, error) {
	renewed := false
	for wait := busySoon; ; wait = min(2*wait, busyLater) {
		data, err := t.attempt(p)
		if err == nil {
			return data, nil
		}
		switch code, _ := errors.AsType[Error](err); {
		case code == codeChannelBusy:
			p.busy.Store(true)
			select {
			case <-time.After(wait):
			case <-p.ctx.Done():
			case <-t.closing:
			}
			if err := t.stopped(p); err != nil {
				return nil, err
			}
		case code == codeInvalidChannel && !renewed:
			// The key forgot the channel, after a suspend for instance.
			t.channel, t.stale, renewed = broadcast, true, true
		default:
			return nil, err
		}
	}
}

func (t *Transport) attempt(p *pending) ([]byte, error) {
	if t.stale {
		properties, err := t.synchronize(p)
		if err != nil {
			return nil, err
		}
		if p.command == cmdNone {
			t.properties = properties // before anybody else has the Transport
		}
	}
	if p.command == cmdNone {
		return nil, nil
	}
	return t.exchange(p, exchange{command: p.command, msg: t.message})
}
