package authenticator

import (
	"context"
	"log/slog"

	"github.com/lakekey/lakekey/authenticator/internal/webauthn"
)

// Options are the optional parts of a [Client].
type Options struct {
	UI     UI           // nil: the person is asked nothing, see [UI]
	Logger *slog.Logger // nil: nothing is logged
}

// Client does for a Go program what a browser does for a page. It is safe for
// concurrent use.
type Client struct {
	keys Source
	ui   UI
	log  *slog.Logger
}

// NewClient returns a Client that uses the keys of a source.
func NewClient(keys Source, opts Options) *Client {
	c := &Client{keys: keys, ui: opts.UI, log: opts.Logger}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	return c
}

func (c *Client) begin(client webauthn.ClientData, create bool) *ceremony {
	return &ceremony{ui: c.ui, log: c.log, keys: c.keys, client: client, rpID: client.RPID, create: create}
}

// Create registers: it makes a credential on a key. options is a
// PublicKeyCredentialCreationOptionsJSON, bare or as {"publicKey": …}; the result is
// the RegistrationResponseJSON to send back. origin is that of the relying party's
// pages, https://example.org for instance.
//
// The ceremony ends with ctx, or with the timeout in the options. Errors:
// [ErrOrigin], [ErrNoDevice], [*IneligibleError] for [ErrExcluded],
// [ErrUnsupportedAlgorithm], [ErrPINNotSet] and [ErrPINRequired], [*PINError], any
// other [Status] of the key, what the UI returned, and the errors of ctx.
func (c *Client) Create(ctx context.Context, origin string, options []byte) ([]byte, error) {
	asked, err := webauthn.ReadCreation(origin, options)
	if err != nil {
		return nil, err
	}
	request, err := newCreation(asked, c.begin(asked.ClientData, true))
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, asked.Timeout)
	defer cancel()
	return request.run(ctx)
}

// Get signs in: it signs the challenge with a credential on a key. options is a
// PublicKeyCredentialRequestOptionsJSON, bare or as {"publicKey": …}; the result is
// the AuthenticationResponseJSON to send back.
//
// The ceremony ends with ctx, or with the timeout in the options. Errors:
// [ErrOrigin], [ErrNoDevice], [*IneligibleError] for [ErrNoCredentials],
// [ErrPINNotSet] and [ErrPINRequired], [ErrChoiceRequired], [*PINError], any other
// [Status] of the key, what the UI returned, and the errors of ctx.
func (c *Client) Get(ctx context.Context, origin string, options []byte) ([]byte, error) {
	asked, err := webauthn.ReadRequest(origin, options)
	if err != nil {
		return nil, err
	}
	request, err := newSignIn(asked, c.begin(asked.ClientData, false))
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, asked.Timeout)
	defer cancel()
	return request.run(ctx)
}
