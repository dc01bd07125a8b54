package softkey

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"time"
)

// CTAPHID, CTAP 2.1 §11.2, from the key's side.
const (
	cmdHIDPing      = 0x01
	cmdHIDLock      = 0x04
	cmdHIDInit      = 0x06
	cmdHIDWink      = 0x08
	cmdHIDCBOR      = 0x10
	cmdHIDCancel    = 0x11
	cmdHIDKeepalive = 0x3B
	cmdHIDError     = 0x3F

	reportSize       = 64
	everybody        = 0xFFFFFFFF // the broadcast channel
	startsMessage    = 0x80
	longestLock      = 10       // seconds
	announcedVersion = 0x010000 // of the key, three bytes

	keepaliveProcessing = 1
	keepaliveTouch      = 2

	hidInvalidCommand   = 0x01
	hidInvalidParameter = 0x02
	hidInvalidLength    = 0x03
	hidInvalidSequence  = 0x04
	hidChannelBusy      = 0x06
	hidInvalidChannel   = 0x0B

	canWink, canCBOR, cannotMessage = 0x01, 0x04, 0x08

	// messagePeriod is how long a message may take to come in before another channel
	// may have its turn (§11.2.5.2).
	messagePeriod = 500 * time.Millisecond
	slowReport    = 10 * time.Millisecond
)

// incoming is a message of which not all reports have come.
type incoming struct {
	channel  uint32
	command  byte
	data     []byte // capacity: its length when complete
	sequence byte
	began    time.Time
}

// host is what a Port knows of the other end. It is used by one goroutine.
type host struct {
	now      func() time.Time
	channels uint32 // allocated so far: 1 up to this
	in       *incoming
	lockedBy uint32
	locked   time.Time // until then
}

// serve answers reports until the line ends.
func (p *Port) serve(ctx context.Context) {
	defer p.line.close()
	h := host{now: time.Now}
	for ctx.Err() == nil {
		report, err := p.line.read()
		if err != nil {
			return
		}
		if p.has(Silent) || len(report) < reportSize {
			continue
		}
		if m, code := h.take(report, p.running.Load() != nil); code != 0 {
			p.refuse(binary.BigEndian.Uint32(report), code)
		} else if m != nil {
			p.handle(ctx, &h, m)
		}
		clear(report)
	}
}

// take adds a report and returns the message that it completes, or the code to refuse
// it with.
func (h *host) take(report []byte, busy bool) (*incoming, byte) {
	channel, kind := binary.BigEndian.Uint32(report), report[4]
	if kind&startsMessage == 0 {
		m := h.in
		if m == nil || m.channel != channel {
			return nil, 0 // "spurious continuation packets … will be ignored" (§11.2.5.4)
		}
		if kind != m.sequence {
			h.drop()
			return nil, hidInvalidSequence
		}
		m.sequence++
		return h.fill(report[5:]), 0
	}
	command, length := kind&^startsMessage, int(binary.BigEndian.Uint16(report[5:]))
	known := channel != 0 && channel <= h.channels
	switch {
	case command == cmdHIDInit && (known || channel == everybody):
		if h.in != nil && h.in.channel == channel {
			h.drop()
		}
		if length != 8 {
			return nil, hidInvalidLength
		}
		return &incoming{channel: channel, command: command, data: report[7:15]}, 0
	case !known:
		return nil, hidInvalidChannel
	case command == cmdHIDCancel:
		return &incoming{channel: channel, command: command}, 0
	case length > maxMessage:
		return nil, hidInvalidLength
	case h.in != nil && h.in.channel == channel:
		h.drop()
		return nil, hidInvalidSequence
	case h.in != nil && h.now().Sub(h.in.began) < messagePeriod:
		return nil, hidChannelBusy
	case busy, h.lockedBy != channel && h.now().Before(h.locked):
		return nil, hidChannelBusy
	}
	h.drop()
	h.in = &incoming{channel: channel, command: command, data: make([]byte, 0, length), began: h.now()}
	return h.fill(report[7:]), 0
}

func (h *host) fill(data []byte) *incoming {
	m := h.in
	m.data = append(m.data, data[:min(len(data), cap(m.data)-len(m.data))]...)
	if len(m.data) < cap(m.data) {
		return nil
	}
	h.in = nil
	return m
}

func (h *host) drop() {
	if h.in != nil {
		clear(h.in.data)
		h.in = nil
	}
}

// handle executes a message.
func (p *Port) handle(ctx context.Context, h *host, m *incoming) {
	switch {
	case m.command == cmdHIDInit:
		p.initialize(h, m)
	case m.command == cmdHIDCancel:
		p.cancel(m.channel)
	case p.has(Busy):
		p.refuse(m.channel, hidChannelBusy)
	case m.command == cmdHIDPing:
		p.answer(m.channel, m.command, m.data)
	case m.command == cmdHIDWink:
		p.winks.Add(1)
		p.answer(m.channel, m.command, nil)
	case m.command == cmdHIDLock:
		p.lock(h, m)
	case m.command == cmdHIDCBOR:
		ctx, cancel := context.WithCancel(ctx)
		t := &transaction{channel: m.channel, cancel: cancel}
		p.running.Store(t)
		p.commands.Go(func() {
			if p.has(Flood) {
				p.flood(ctx, t)
			} else {
				p.run(ctx, t, m.data)
			}
		})
	default:
		p.refuse(m.channel, hidInvalidCommand)
	}
}

// initialize allocates a channel, or ends what goes on on the channel it is sent on.
func (p *Port) initialize(h *host, m *incoming) {
	channel := m.channel
	if channel == everybody {
		// A program that left did not read everything. Only a terminal keeps that.
		p.line.discard()
		h.channels++
		channel = h.channels
	} else {
		p.cancelSilently(channel)
	}
	r := append([]byte{}, m.data...)
	r = binary.BigEndian.AppendUint32(r, channel)
	r = append(r, 2, announcedVersion>>16, announcedVersion>>8&0xFF, announcedVersion&0xFF, canWink|canCBOR|cannotMessage)
	p.answer(m.channel, cmdHIDInit, r)
}

func (p *Port) lock(h *host, m *incoming) {
	switch {
	case len(m.data) != 1:
		p.refuse(m.channel, hidInvalidLength)
	case m.data[0] > longestLock:
		p.refuse(m.channel, hidInvalidParameter)
	default:
		h.lockedBy, h.locked = m.channel, h.now().Add(time.Duration(m.data[0])*time.Second)
		p.answer(m.channel, m.command, nil)
	}
}

// cancel ends the command of a channel, which then answers that it was cancelled.
func (p *Port) cancel(channel uint32) {
	if t := p.running.Load(); t != nil && t.channel == channel && !p.has(Flood) {
		t.cancel()
	}
}

// cancelSilently ends the command of a channel and waits until it has ended.
func (p *Port) cancelSilently(channel uint32) {
	if t := p.running.Load(); t != nil && t.channel == channel {
		t.cancel()
		p.commands.Wait()
	}
}

func (p *Port) refuse(channel uint32, code byte) { p.answer(channel, cmdHIDError, []byte{code}) }

func (p *Port) answer(channel uint32, command byte, data []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.send(channel, command, data)
}

// send writes a message, as far as the fault lets it. The caller holds mu. An error ends
// serve, which reads from the same line.
func (p *Port) send(channel uint32, command byte, data []byte) {
	length := len(data)
	var report [reportSize]byte
	fault := Fault(p.fault.Load())
	if command != cmdHIDInit {
		switch fault {
		case Mute:
			return
		case WrongChannel:
			channel += 1 << 16
		case Garbage:
			_, _ = rand.Read(report[:]) // never fails
			_ = p.line.write(report[:])
			data = nil
			command, length = 0x7F, 0xFFFF
		case Oversized:
			length = 0xFFFF
		case BadSequence:
			length += reportSize
		}
	}
	if fault == Silent {
		return
	}
	for i := 0; i == 0 || len(data) > 0; i++ {
		clear(report[:])
		binary.BigEndian.PutUint32(report[:], channel)
		if i == 0 {
			report[4] = command | startsMessage
			binary.BigEndian.PutUint16(report[5:], uint16(length))
			data = data[copy(report[7:], data):]
		} else {
			report[4] = byte(i - 1)
			data = data[copy(report[5:], data):]
		}
		if fault == Slow {
			time.Sleep(slowReport)
		}
		if p.line.write(report[:]) != nil {
			return
		}
	}
	if fault == BadSequence && command != cmdHIDInit {
		report[4] = 0x7F
		_ = p.line.write(report[:])
	}
}
