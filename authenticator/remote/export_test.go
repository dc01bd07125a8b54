package remote

import (
	"bytes"
	"context"
	"net"
)

const (
	MaxFrame     = maxFrame
	FrameTimeout = frameTimeout
	Rest         = rest
	AliveEvery   = aliveEvery
)

var ErrProtocol = errProtocol

// Converse serves one connection of any kind.
func (s *Server) Converse(ctx context.Context, conn net.Conn) { s.converse(ctx, conn) }

// Ask runs a ceremony over a connection of any kind.
func Ask(ctx context.Context, conn net.Conn, host string, create bool, origin string, options []byte) ([]byte, error) {
	defer conn.Close()
	l, err := greet(conn, host)
	if err != nil {
		return nil, err
	}
	return converseWith(ctx, l, &request{Create: create, Origin: origin, Options: options})
}

// Frames of each kind.
func Hello(version uint, host string) []byte { return frame(&hello{Version: version, Host: host}) }
func Cancel() []byte                         { return frame(&cancellation{}) }
func Alive() []byte                          { return frame(&alive{}) }
func Result(response []byte) []byte          { return frame(&result{Response: response}) }
func Failure(err error) []byte               { return frame(newFailure(err)) }
func Asking(create bool, origin string, options []byte) []byte {
	return frame(&request{Create: create, Origin: origin, Options: options})
}

func frame(m message) []byte {
	c, err := newCodec()
	if err != nil {
		return nil
	}
	b, _ := c.encode(m)
	return b
}

// Reread reads a frame and spells it again; read is what it took of the input.
func Reread(data []byte) (again []byte, read int, err error) {
	c, err := newCodec()
	if err != nil {
		return nil, 0, err
	}
	r := bytes.NewReader(data)
	m, err := c.read(r)
	if err != nil {
		if m != nil {
			return []byte("a message and an error"), 0, err
		}
		return nil, 0, err
	}
	again, err = c.encode(m)
	return again, len(data) - r.Len(), err
}
