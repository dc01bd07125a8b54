package hid

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"time"
)

// exchange is one message to the key and the answer to it.
type exchange struct {
	command byte
	msg     []byte
	limit   time.Time              // when the key should have answered; zero: whenever ctx allows
	accept  func(data []byte) bool // which answer is meant for us; nil: any
}

const (
	// initPeriod is how long we wait for an answer to INIT, initTries times. Keys answer
	// within milliseconds; after a power cycle it may be some hundred.
	initPeriod = time.Second
	initTries  = 3
	// cancelPeriod is how long a key may take to acknowledge a cancel.
	cancelPeriod = 2 * time.Second

	nonceLength  = 8
	initResponse = 17 // nonce, channel, protocol, version of 3, capabilities

	capabilityWink      = 0x01
	capabilityCBOR      = 0x04
	capabilityNoMessage = 0x08
)

// exchange runs x on our channel. When it was stopped, the key is ready again, or stale
// is set.
func (t *Transport) exchange(p *pending, x exchange) ([]byte, error) {
	t.in.reset()
	t.in.channel = t.channel
	// First the deadline, then the look at ctx: an interrupt in between is either kept
	// or seen.
	if err := t.node.deadline(x.limit); err != nil {
		return nil, err
	}
	if err := t.stopped(p); err != nil {
		return nil, err
	}
	if err := t.send(x.command, x.msg); err != nil {
		t.stale = true // the key has part of a message: INIT makes it forget that
		return nil, t.ended(p, err)
	}
	for {
		if err := t.node.read(t.inBuf); err != nil {
			err = t.ended(p, err)
			if t.stopped(p) != nil && x.command == cmdCBOR {
				t.cancel()
			} else {
				t.stale = true
			}
			return nil, err
		}
		command, data, complete, err := t.in.add(t.inBuf)
		if err != nil {
			t.stale = true
			return nil, err
		}
		switch {
		case !complete:
		case command == cmdKeepalive:
			p.busy.Store(false)
		case command == cmdError:
			if len(data) == 0 {
				t.stale = true
				return nil, fmt.Errorf("%w: an error without a code", ErrMalformed)
			}
			return nil, Error(data[0])
		case command == x.command && (x.accept == nil || x.accept(data)):
			return data, nil
		case x.command == cmdInit:
			clear(data) // the end of a transaction that INIT ends, or another program's INIT
		default:
			clear(data)
			t.stale = true
			return nil, fmt.Errorf("%w: an answer to command 0x%02X", ErrMalformed, command)
		}
	}
}

// ended turns the end of a read or write into the reason for it.
func (t *Transport) ended(p *pending, err error) error {
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		return err
	}
	if err := t.stopped(p); err != nil {
		return err
	}
	return ErrNotResponding
}

// send writes a message, frame by frame.
func (t *Transport) send(command byte, msg []byte) error {
	rest := msg
	for i := 0; i == 0 || len(rest) > 0; i++ {
		rest = rest[fragment(t.outBuf[1:], i, t.channel, command, len(msg), rest):]
		if err := t.node.write(t.outBuf); err != nil {
			return err
		}
	}
	return nil
}

// cancel ends the CBOR transaction under way and waits for the key's last word on it,
// be it the answer that we no longer want.
func (t *Transport) cancel() {
	t.detach()
	t.stale = true
	limit := time.Now().Add(cancelPeriod)
	if t.node.deadline(limit) != nil || t.send(cmdCancel, nil) != nil {
		return
	}
	for t.node.read(t.inBuf) == nil {
		command, data, complete, err := t.in.add(t.inBuf)
		clear(data)
		if err != nil || complete && command == cmdError {
			return
		}
		if complete && command == cmdCBOR {
			t.stale = false
			return
		}
	}
}

// synchronize allocates a channel, or makes the key forget what it was doing on ours:
// "If sent on an allocated CID, it synchronizes a channel, discarding the current
// transaction" (§11.2.9.1.3).
func (t *Transport) synchronize(p *pending) (Properties, error) {
	var lastErr error
	for range initTries {
		nonce := make([]byte, nonceLength)
		_, _ = rand.Read(nonce) // never fails
		data, err := t.exchange(p, exchange{
			command: cmdInit, msg: nonce, limit: time.Now().Add(initPeriod),
			accept: func(data []byte) bool { return bytes.HasPrefix(data, nonce) },
		})
		code, refused := errors.AsType[Error](err)
		switch {
		case err == nil:
			return t.adopt(data)
		case code == codeChannelBusy:
			return Properties{}, err
		case refused && t.channel != broadcast:
			t.channel = broadcast // the key does not know our channel any more
		case errors.Is(err, ErrNotResponding):
			t.channel = broadcast
		default:
			return Properties{}, err
		}
		lastErr = err
	}
	return Properties{}, lastErr
}

// adopt takes over the channel of an INIT response.
func (t *Transport) adopt(data []byte) (Properties, error) {
	if len(data) < initResponse {
		return Properties{}, fmt.Errorf("%w: an INIT response of %d bytes", ErrMalformed, len(data))
	}
	channel := binary.BigEndian.Uint32(data[nonceLength:])
	if channel == 0 || channel == broadcast {
		return Properties{}, fmt.Errorf("%w: channel %08x", ErrMalformed, channel)
	}
	t.channel, t.stale = channel, false
	capabilities := data[16]
	return Properties{
		Protocol: data[12], Version: [3]byte(data[13:16]),
		Wink:  capabilities&capabilityWink != 0,
		CTAP2: capabilities&capabilityCBOR != 0,
		U2F:   capabilities&capabilityNoMessage == 0,
	}, nil
}
