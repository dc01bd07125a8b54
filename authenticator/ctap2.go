package authenticator

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
)

// NewCTAP2 returns the Device behind a Transport: CTAP 2.1, and 2.0 where a key
// knows no more, with PIN/UV auth protocols 2 and 1. Close closes the Transport if
// it is an [io.Closer].
func NewCTAP2(t Transport, d Descriptor) Device {
	return &ctap2{transport: t, descriptor: d, turn: make(chan struct{}, 1), codec: sync.OnceValues(newCodec)}
}

type ctap2 struct {
	transport  Transport
	descriptor Descriptor
	codec      func() (*ctapCBOR, error)
	turn       chan struct{} // holds a token while an operation runs
	closed     bool          // guarded by turn
	u2f        *u2f          // guarded by turn: a key that knows nothing else
	limits     *Info         // guarded by turn: what does not change while the key is connected
}

func (d *ctap2) Descriptor() Descriptor { return d.descriptor }

func (d *ctap2) Close() error {
	d.turn <- struct{}{}
	defer func() { <-d.turn }()
	if d.closed {
		return nil
	}
	d.closed = true
	if c, ok := d.transport.(io.Closer); ok {
		if err := c.Close(); err != nil {
			return fmt.Errorf("closing the key: %w", err)
		}
	}
	return nil
}

// begin waits for the key to be free. The caller calls end when it is done.
func (d *ctap2) begin(ctx context.Context) (codec *ctapCBOR, end func(), err error) {
	select {
	case d.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, nil, fmt.Errorf("waiting for the key: %w", ctx.Err())
	}
	end = func() { <-d.turn }
	codec, err = d.codec()
	if err == nil && d.closed {
		err = errors.New("authenticator: the key is closed")
	}
	if err != nil {
		end()
		return nil, nil, err
	}
	return codec, end, nil
}

// call runs one command. params may be nil; the encoded message is overwritten,
// since it may hold what a PIN token authorises.
func (d *ctap2) call(ctx context.Context, codec *ctapCBOR, command byte, params any) ([]byte, error) {
	msg := []byte{command}
	if params != nil {
		body, err := codec.enc.Marshal(params)
		if err != nil {
			return nil, fmt.Errorf("authenticator: encoding a command: %v", err)
		}
		msg = append(msg, body...)
		clear(body)
	}
	defer clear(msg)
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("authenticator: %w", err)
	}
	response, err := d.transport.CBOR(ctx, msg)
	if err != nil {
		return nil, err
	}
	if len(response) == 0 {
		return nil, malformed("an empty response")
	}
	if len(response) > maxResponse {
		return nil, malformed("an oversized response")
	}
	if s := Status(response[0]); s != statusOK {
		// A transport may deliver the answer to its own cancel. Whether the
		// caller gave up is for its ctx to say, never for the key.
		if s == statusKeepaliveCancel && ctx.Err() != nil {
			return nil, fmt.Errorf("authenticator: %w", ctx.Err())
		}
		return nil, s
	}
	return response[1:], nil
}

func (d *ctap2) Info(ctx context.Context) (*Info, error) {
	codec, end, err := d.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	return d.info(ctx, codec)
}

func (d *ctap2) info(ctx context.Context, codec *ctapCBOR) (*Info, error) {
	response, err := d.call(ctx, codec, cmdGetInfo, nil)
	if t, able := d.transport.(U2FTransport); able && errors.Is(err, statusInvalidCommand) {
		d.u2f, d.limits = &u2f{t}, u2fInfo()
		return d.limits, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading device info: %w", err)
	}
	info, err := parseInfo(codec, response)
	if err != nil {
		return nil, err
	}
	d.u2f, d.limits = nil, info // at a path, another key may be there by now
	return info, nil
}

// static returns an Info of which only what never changes is to be relied on:
// versions, limits and protocols, not whether a PIN is set. It saves a round trip.
func (d *ctap2) static(ctx context.Context, codec *ctapCBOR) (*Info, error) {
	if d.limits != nil {
		return d.limits, nil
	}
	return d.info(ctx, codec)
}

func parseInfo(codec *ctapCBOR, data []byte) (*Info, error) {
	w, err := parse[wireInfo](codec, data, "device info")
	if err != nil {
		return nil, err
	}
	if len(w.Versions) == 0 || len(w.AAGUID) != 16 {
		return nil, malformed("device info")
	}
	for _, n := range []int{w.MaxMessageSize, w.MaxCredentialCount, w.MaxCredentialID, w.MinPINLength, w.MaxLargeBlobs} {
		if n < 0 {
			return nil, malformed("device info")
		}
	}
	info := &Info{
		Versions:              w.Versions,
		Extensions:            w.Extensions,
		AAGUID:                [16]byte(w.AAGUID),
		Options:               w.Options,
		MaxMessageSize:        w.MaxMessageSize,
		PINProtocols:          w.PINProtocols,
		MaxCredentialCount:    w.MaxCredentialCount,
		MaxCredentialIDLength: w.MaxCredentialID,
		Transports:            w.Transports,
		ForcePINChange:        w.ForcePINChange,
		MinPINLength:          w.MinPINLength,
		PreferredUVAttempts:   w.UVAttempts,
		FirmwareVersion:       w.FirmwareVersion,
		RemainingCredentials:  -1,
		MaxLargeBlobs:         w.MaxLargeBlobs,
	}
	for _, a := range w.Algorithms {
		if a.Type == publicKeyType {
			info.Algorithms = append(info.Algorithms, a.Alg)
		}
	}
	if w.RemainingCredentials != nil {
		info.RemainingCredentials = *w.RemainingCredentials
	}
	return info, nil
}

func (d *ctap2) Select(ctx context.Context) error {
	codec, end, err := d.begin(ctx)
	if err != nil {
		return err
	}
	defer end()
	info, err := d.static(ctx, codec)
	if err != nil {
		return err
	}
	if d.u2f != nil {
		if err := d.u2f.touch(ctx); err != nil {
			return fmt.Errorf("waiting for a touch: %w", err)
		}
		return nil
	}
	if slices.ContainsFunc(info.Versions, func(v string) bool { return v != "FIDO_2_0" && v != "FIDO_2_1_PRE" && v != "U2F_V2" }) {
		if _, err := d.call(ctx, codec, cmdSelection, nil); err != nil {
			return fmt.Errorf("waiting for a touch: %w", err)
		}
		return nil
	}
	// CTAP 2.0 has no command for this. "If platform sends zero length
	// pinUvAuthParam, authenticator needs to wait for user touch and then
	// returns either CTAP2_ERR_PIN_NOT_SET … or CTAP2_ERR_PIN_INVALID."
	_, err = d.call(ctx, codec, cmdMakeCredential, &wireSelection{
		ClientDataHash: make([]byte, 32),
		RP:             wireRP{ID: "select.invalid"},
		User:           wireUser{ID: []byte{1}, Name: "select"},
		Algorithms:     []wireAlgorithm{{Alg: -7, Type: publicKeyType}},
		PINAuth:        []byte{},
		PINProtocol:    1,
	})
	switch {
	case err == nil, errors.Is(err, ErrPINNotSet), errors.Is(err, statusPINInvalid), errors.Is(err, statusPINAuthInvalid):
		return nil
	default:
		return fmt.Errorf("waiting for a touch: %w", err)
	}
}
