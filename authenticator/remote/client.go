package remote

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
)

// Options are the optional parts of a [Client].
type Options struct {
	// Host is what this machine calls itself to the person beside the key;
	// empty: the name that the operating system gives it.
	Host string
}

// Client uses the key of a [Server]. It has the methods of an
// authenticator.Client, and is safe for concurrent use.
//
// A Client holds no connection: each ceremony has its own, so that it outlives
// one that ssh makes anew. There is nothing to close.
type Client struct {
	socket, host string
}

// Dial returns a Client, after looking whether a Server answers on the socket.
// Nobody is prompted by that.
func Dial(ctx context.Context, socket string, opts Options) (*Client, error) {
	if !supported {
		return nil, errUnsupported
	}
	c := &Client{socket: socket, host: opts.Host}
	if c.host == "" {
		name, err := os.Hostname()
		if err != nil {
			return nil, fmt.Errorf("remote: asking for the name of this machine: %v", err)
		}
		c.host = name
	}
	if !isHost(c.host) {
		return nil, fmt.Errorf("remote: %q is no host name: set Options.Host", c.host)
	}
	l, err := c.connect(ctx)
	if err != nil {
		return nil, err
	}
	l.conn.Close()
	return c, nil
}

// Create registers, see Create of authenticator.Client. In addition to the errors
// there: [ErrNotAllowed], [ErrDenied], [ErrBusy], [ErrDisconnected].
func (c *Client) Create(ctx context.Context, origin string, options []byte) ([]byte, error) {
	return c.ask(ctx, &request{Create: true, Origin: origin, Options: options})
}

// Get signs in, see Get of authenticator.Client. In addition to the errors there:
// [ErrNotAllowed], [ErrDenied], [ErrBusy], [ErrDisconnected].
func (c *Client) Get(ctx context.Context, origin string, options []byte) ([]byte, error) {
	return c.ask(ctx, &request{Origin: origin, Options: options})
}

func (c *Client) ask(ctx context.Context, r *request) ([]byte, error) {
	l, err := c.connect(ctx)
	if err != nil {
		return nil, err
	}
	defer l.conn.Close()
	response, err := converseWith(ctx, l, r)
	if err != nil && ctx.Err() != nil {
		return nil, fmt.Errorf("asking the remote key: %w", ctx.Err())
	}
	return response, err
}

// converseWith sends a request and waits for the answer.
func converseWith(ctx context.Context, l *line, r *request) ([]byte, error) {
	defer context.AfterFunc(ctx, func() { l.hangUp(&cancellation{}) })()
	if err := l.send(r, frameTimeout); err != nil {
		return nil, err
	}
	waiting, answered := context.WithCancel(ctx)
	var keeper sync.WaitGroup
	keeper.Go(func() { l.keepAlive(waiting) })
	defer keeper.Wait()
	defer answered()
	return l.answer()
}

// answer waits for the last frame.
func (l *line) answer() ([]byte, error) {
	for {
		m, err := l.receive()
		if err != nil {
			return nil, err
		}
		switch m := m.(type) {
		case *alive:
		case *result:
			return m.Response, nil
		case *failure:
			return nil, m.err()
		default:
			return nil, violation("a frame out of turn")
		}
	}
}

// connect says hello to the Server.
func (c *Client) connect(ctx context.Context) (*line, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "unix", c.socket)
	if err != nil {
		if ctx.Err() != nil {
			return nil, fmt.Errorf("connecting to the remote key: %w", ctx.Err())
		}
		return nil, fmt.Errorf("%w: %v: is the machine with the key serving it, and ssh -R connected?", ErrDisconnected, err)
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	var l *line
	if err = c.recognise(conn); err == nil {
		l, err = greet(conn, c.host)
	}
	if !stop() || ctx.Err() != nil {
		err = fmt.Errorf("connecting to the remote key: %w", ctx.Err())
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return l, nil
}

func greet(conn net.Conn, host string) (*line, error) {
	l, err := newLine(conn)
	if err != nil {
		return nil, err
	}
	if err := l.send(&hello{Version: version, Host: host}, frameTimeout); err != nil {
		return nil, err
	}
	m, err := l.receive()
	if err != nil {
		return nil, err
	}
	switch m := m.(type) {
	case *hello:
		if m.Version != version {
			return nil, (&failure{Code: codeVersion}).err()
		}
		return l, nil
	case *failure:
		return nil, m.err()
	default:
		return nil, violation("no hello")
	}
}

// recognise checks whose socket it is. Root's is right too: an sshd may listen as
// root for the user it forwards for.
func (c *Client) recognise(conn net.Conn) error {
	socket, ok := conn.(*net.UnixConn)
	if !ok {
		return errors.New("remote: not a Unix socket")
	}
	uid, err := peerUID(socket)
	if err != nil {
		return fmt.Errorf("remote: asking whose socket it is: %v", err)
	}
	if uid != 0 && uid != os.Geteuid() {
		return fmt.Errorf("remote: the socket %s is served by another user, uid %d", c.socket, uid)
	}
	return nil
}
