package authenticator

import (
	"context"
	"errors"
	"log/slog"
)

// Options are the optional parts of a [Client].
type Options struct {
	UI     UI           // nil: the person is asked nothing, see [UI]
	Logger *slog.Logger // nil: nothing is logged
}

// Client does for a Go program what a browser does for a page.
type Client struct {
	keys Source
	opts Options
}

// NewClient returns a Client that uses the keys of a source.
func NewClient(keys Source, opts Options) *Client { return &Client{keys: keys, opts: opts} }

// Create registers.
func (c *Client) Create(ctx context.Context, origin string, options []byte) ([]byte, error) {
	return nil, errors.New("authenticator: being written")
}

// Get signs in.
func (c *Client) Get(ctx context.Context, origin string, options []byte) ([]byte, error) {
	return nil, errors.New("authenticator: being written")
}

// NewCTAP2 returns the Device.
func NewCTAP2(t Transport, d Descriptor) Device { return nil }
