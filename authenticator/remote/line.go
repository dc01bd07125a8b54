package remote

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

const (
	// frameTimeout is how long a frame may take to arrive whole, counted from the
	// one before it.
	frameTimeout = 15 * time.Second
	// aliveEvery leaves room for two frames to be late.
	aliveEvery = 5 * time.Second
	// hangUpTimeout is how long the last frame may take. What matters more is
	// that the connection ends.
	hangUpTimeout = 50 * time.Millisecond
)

// line is a connection that carries frames.
type line struct {
	conn  net.Conn
	codec *codec

	writing sync.Mutex
	readers sync.WaitGroup // ends once conn is closed
}

func newLine(conn net.Conn) (*line, error) {
	c, err := newCodec()
	if err != nil {
		return nil, err
	}
	return &line{conn: conn, codec: c}, nil
}

// send writes a frame. It is safe for concurrent use.
func (l *line) send(m message, within time.Duration) error {
	data, err := l.codec.encode(m)
	if err != nil {
		return err
	}
	defer clear(data)
	// Before the lock: a shorter deadline also frees a writer that is stuck.
	if err := l.conn.SetWriteDeadline(time.Now().Add(within)); err != nil {
		return lost(err)
	}
	l.writing.Lock()
	defer l.writing.Unlock()
	if _, err := l.conn.Write(data); err != nil {
		return lost(err)
	}
	return nil
}

// receive reads a frame. The deadline is for all of it: one byte now and then does
// not extend it.
func (l *line) receive() (message, error) {
	if err := l.conn.SetReadDeadline(time.Now().Add(frameTimeout)); err != nil {
		return nil, lost(err)
	}
	m, err := l.codec.read(l.conn)
	if err != nil && !errors.Is(err, errProtocol) {
		return nil, lost(err)
	}
	return m, err
}

func lost(err error) error { return fmt.Errorf("%w: %v", ErrDisconnected, err) }

// keepAlive tells the other side that this one is there, until ctx is done. If
// that fails, so does the reader of this line.
func (l *line) keepAlive(ctx context.Context) {
	ticker := time.NewTicker(aliveEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			if err := l.send(&alive{}, frameTimeout); err != nil {
				l.conn.Close()
				return
			}
		}
	}
}

// hangUp ends the connection after a last frame that may get lost.
func (l *line) hangUp(last message) {
	// A timer beside the deadline: another writer may extend that one.
	overdue := time.AfterFunc(hangUpTimeout, func() { l.conn.Close() })
	defer overdue.Stop()
	_ = l.send(last, hangUpTimeout)
	l.conn.Close()
}
