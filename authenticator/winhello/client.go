package winhello

import (
	"context"
	"fmt"
	"time"
)

// Options are the optional parts of a [Client].
type Options struct {
	// Window is the HWND that the prompts of Windows belong to; 0: whichever
	// window is in front, the terminal for instance.
	Window uintptr
}

// Client has the methods of an authenticator.Client. It is safe for concurrent use.
type Client struct {
	system system
	window uintptr
	turn   chan struct{}
}

// system is the interface of Windows. A done cancel ends the call soon: it may take
// longer than the caller waits.
type system interface {
	version() int
	create(window uintptr, c *creation, cancel <-chan struct{}) (*made, error)
	get(window uintptr, a *assertion, cancel <-chan struct{}) (*signed, error)
}

// New returns a Client, or an [*UnsupportedError] where there is no Windows with the
// interface.
func New(o Options) (*Client, error) {
	s, err := loadSystem()
	if err != nil {
		return nil, err
	}
	return newClient(s, o), nil
}

func newClient(s system, o Options) *Client {
	return &Client{system: s, window: o.Window, turn: make(chan struct{}, 1)}
}

// Version is that of the interface of Windows: WebAuthNGetApiVersionNumber.
func (c *Client) Version() int { return c.system.version() }

// Create registers, see Create of authenticator.Client. Errors: [Error], which is an
// error of package authenticator where it has one of that meaning;
// authenticator.ErrOrigin; options that cannot be served; and the errors of ctx.
func (c *Client) Create(ctx context.Context, origin string, optionsJSON []byte) ([]byte, error) {
	request, err := newCreation(origin, optionsJSON)
	if err != nil {
		return nil, err
	}
	result, err := run(ctx, c, request.timeout, func(cancel <-chan struct{}) (*made, error) {
		return c.system.create(c.window, request, cancel)
	})
	if err != nil {
		return nil, err
	}
	return request.response(result)
}

// Get signs in, see Get of authenticator.Client. Errors: as of [Client.Create].
func (c *Client) Get(ctx context.Context, origin string, optionsJSON []byte) ([]byte, error) {
	request, err := newAssertion(origin, optionsJSON)
	if err != nil {
		return nil, err
	}
	result, err := run(ctx, c, request.timeout, func(cancel <-chan struct{}) (*signed, error) {
		return c.system.get(c.window, request, cancel)
	})
	if err != nil {
		return nil, err
	}
	return request.response(result)
}

// patience is how long a cancelled call is waited for.
const patience = 50 * time.Millisecond

// run makes a call of Windows end, for its caller, with ctx. A call that Windows does
// not end keeps its turn, so that no two of them overlap.
func run[T any](ctx context.Context, c *Client, timeout time.Duration, call func(cancel <-chan struct{}) (T, error)) (result T, err error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	select {
	case c.turn <- struct{}{}:
	case <-ctx.Done():
		return result, fmt.Errorf("waiting for another operation: %w", ctx.Err())
	}
	if ctx.Err() != nil {
		<-c.turn
		return result, fmt.Errorf("waiting for another operation: %w", ctx.Err())
	}
	type outcome struct {
		result T
		err    error
	}
	done, stop := make(chan outcome, 1), ctx.Done()
	go func() {
		r, err := call(stop)
		<-c.turn
		done <- outcome{r, err}
	}()
	var o outcome
	select {
	case o = <-done:
	case <-stop:
		select {
		case o = <-done:
		case <-time.After(patience):
		}
		return result, fmt.Errorf("using the key: %w", ctx.Err())
	}
	if o.err != nil {
		return result, fmt.Errorf("using the key: %w", o.err)
	}
	return o.result, nil
}
