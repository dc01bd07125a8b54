package authenticator

import (
	"context"
	"log/slog"
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

// begin checks whether the origin may use the RP ID, before any key is looked for.
func (c *Client) begin(originText, rpID string, create bool) (*ceremony, error) {
	o, err := parseOrigin(originText)
	if err != nil {
		return nil, err
	}
	if rpID, err = o.checkRPID(rpID); err != nil {
		return nil, err
	}
	return &ceremony{ui: c.ui, log: c.log, keys: c.keys, origin: o, rpID: rpID, create: create}, nil
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
	o, err := parseOptions[creationOptions](options)
	if err != nil {
		return nil, err
	}
	ceremony, err := c.begin(origin, o.RP.ID, true)
	if err != nil {
		return nil, err
	}
	request, err := newCreation(&o, ceremony)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, ceremonyTimeout(o.Timeout))
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
	o, err := parseOptions[requestOptions](options)
	if err != nil {
		return nil, err
	}
	ceremony, err := c.begin(origin, o.RPID, false)
	if err != nil {
		return nil, err
	}
	request, err := newSignIn(&o, ceremony)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, ceremonyTimeout(o.Timeout))
	defer cancel()
	return request.run(ctx)
}
