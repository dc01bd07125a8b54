package authenticator

import (
	"context"
	"crypto/ecdh"
	"crypto/rand"
	"errors"
	"fmt"
)

const (
	defaultMinPINLength = 4 // code points, unless the key says more
	maxPINBytes         = 63
)

// Permissions of a pinUvAuthToken, CTAP 2.1 §6.5.5.7.
const (
	permitMakeCredential = 0x01
	permitGetAssertion   = 0x02

	permitCredentialManagement = 0x04
	permitBioEnrollment        = 0x08
	permitLargeBlobWrite       = 0x10
	permitConfig               = 0x20
)

// authorization is a pinUvAuthToken for one operation.
type authorization struct {
	protocol int
	token    []byte
}

// proof authenticates a message. Without a token there is none.
func (a *authorization) proof(message []byte) ([]byte, int) {
	if a == nil {
		return nil, 0
	}
	return tokenProof(a.protocol, a.token, message), a.protocol
}

func (a *authorization) wipe() {
	if a != nil {
		clear(a.token)
	}
}

func (d *ctap2) PINRetries(ctx context.Context) (PINState, error) {
	codec, end, err := d.begin(ctx)
	if err != nil {
		return PINState{}, err
	}
	defer end()
	return d.pinRetries(ctx, codec)
}

func (d *ctap2) pinRetries(ctx context.Context, codec *ctapCBOR) (PINState, error) {
	response, err := d.clientPIN(ctx, codec, &wireClientPIN{Subcommand: subGetPINRetries, Protocol: 1})
	if err != nil {
		return PINState{}, fmt.Errorf("reading PIN retries: %w", err)
	}
	if response.Retries == nil || *response.Retries < 0 {
		return PINState{}, malformed("PIN retries")
	}
	return PINState{Retries: *response.Retries, PowerCycleNeeded: response.PowerCycle}, nil
}

// uvRetries says how often the sensor may still be wrong before it is blocked.
func (d *ctap2) uvRetries(ctx context.Context) (int, error) {
	codec, end, err := d.begin(ctx)
	if err != nil {
		return 0, err
	}
	defer end()
	response, err := d.clientPIN(ctx, codec, &wireClientPIN{Subcommand: subGetUVRetries})
	if err != nil {
		return 0, fmt.Errorf("reading UV retries: %w", err)
	}
	if response.UVRetries == nil || *response.UVRetries < 0 {
		return 0, malformed("UV retries")
	}
	return *response.UVRetries, nil
}

func (d *ctap2) clientPIN(ctx context.Context, codec *ctapCBOR, request *wireClientPIN) (wireClientPINResult, error) {
	response, err := d.call(ctx, codec, cmdClientPIN, request)
	if err != nil {
		return wireClientPINResult{}, err
	}
	return parse[wireClientPINResult](codec, response, "client PIN")
}

// authorize gets a token for one operation at one RP ID: by PIN, or by the key's own
// verification if it can turn that into a token. It returns nil where the operation
// itself carries the wish for verification.
func (d *ctap2) authorize(ctx context.Context, codec *ctapCBOR, info *Info, pin []byte, permissions int, rpID string) (*authorization, error) {
	tokens := info.Options["pinUvAuthToken"]
	if pin == nil && !tokens {
		return nil, nil
	}
	protocol, err := choosePINProtocol(info)
	if err != nil {
		return nil, err
	}
	session, err := d.agree(ctx, codec, protocol)
	if err != nil {
		return nil, err
	}
	defer session.wipe()
	request := &wireClientPIN{Protocol: protocol, KeyAgreement: &session.public, Permissions: permissions, RPID: rpID}
	switch {
	case pin == nil:
		request.Subcommand = subTokenByUV
	case tokens:
		request.Subcommand = subTokenByPIN
	default: // an older key, whose token permits everything
		request.Subcommand, request.Permissions, request.RPID = subGetPINToken, 0, ""
	}
	if pin != nil {
		if request.PINHash, err = sealPIN(session, pin); err != nil {
			return nil, err
		}
	}
	response, err := d.clientPIN(ctx, codec, request)
	if err != nil {
		return nil, fmt.Errorf("verifying the user: %w", d.explainPIN(ctx, codec, err))
	}
	token, err := session.decrypt(response.Token)
	if err != nil {
		return nil, err
	}
	// "pinUvAuthToken … 32 bytes" in protocol 2, "16 bytes or 32 bytes" in 1.
	if len(token) != 32 && (protocol != 1 || len(token) != 16) {
		clear(token)
		return nil, malformed("a token")
	}
	return &authorization{protocol: protocol, token: token}, nil
}

// agree runs the key agreement of a PIN/UV auth protocol.
func (d *ctap2) agree(ctx context.Context, codec *ctapCBOR, protocol int) (*pinSession, error) {
	response, err := d.clientPIN(ctx, codec, &wireClientPIN{Protocol: protocol, Subcommand: subGetKeyAgreement})
	if err != nil {
		return nil, fmt.Errorf("agreeing on a key: %w", err)
	}
	private, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("authenticator: making a key agreement key: %v", err)
	}
	return newPINSession(protocol, response.KeyAgreement, private)
}

// explainPIN turns the status of a refused PIN into a PINError that says how many
// are left. Reading that costs nothing and is never a retry.
func (d *ctap2) explainPIN(ctx context.Context, codec *ctapCBOR, err error) error {
	var s Status
	if !errors.As(err, &s) {
		return err
	}
	switch s {
	case statusPINInvalid, statusPINAuthBlocked:
		e := &PINError{Retries: -1, PowerCycleNeeded: s == statusPINAuthBlocked, Status: s}
		if state, readErr := d.pinRetries(ctx, codec); readErr == nil {
			e.Retries = state.Retries
		}
		return e
	case statusPINBlocked:
		return &PINError{Retries: 0, Status: s}
	default:
		return err
	}
}
