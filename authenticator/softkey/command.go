package softkey

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Commands, CTAP 2.1 §6.
const (
	cmdMakeCredential   = 0x01
	cmdGetAssertion     = 0x02
	cmdGetInfo          = 0x04
	cmdClientPIN        = 0x06
	cmdReset            = 0x07
	cmdGetNextAssertion = 0x08
	cmdBioEnrollment    = 0x09
	cmdCredentials      = 0x0A
	cmdSelection        = 0x0B
	cmdLargeBlobs       = 0x0C
	cmdConfig           = 0x0D

	// What the commands were called before CTAP 2.1, with the same content: libfido2
	// asks for them to this day.
	cmdBioEnrollmentPreview = 0x40
	cmdCredentialsPreview   = 0x41
)

const (
	// maxMessage is what 128 CTAPHID frames of 64 bytes carry (§11.2.4).
	maxMessage = 7609
	// touchPeriod is how long the key waits for a touch.
	touchPeriod = 30 * time.Second
	// resetPeriod: "the request to the authenticator … MUST come to the
	// authenticator within 10 seconds of powering up" (§6.6).
	resetPeriod = 10 * time.Second
)

// CBOR implements authenticator.Transport. The error is nil whenever the key
// answered; a done ctx ends the wait for a touch and for the key itself.
func (k *Key) CBOR(ctx context.Context, msg []byte) ([]byte, error) {
	select {
	case k.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, fmt.Errorf("softkey: waiting for the key: %w", ctx.Err())
	}
	defer func() { <-k.turn }()
	if k.closed {
		return nil, errors.New("softkey: the key is closed")
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("softkey: %w", err)
	}
	response, err := k.dispatch(ctx, msg)
	switch {
	case err == nil:
		return append([]byte{byte(ok)}, response...), nil
	case errors.Is(err, errKeepaliveCancel):
		return nil, fmt.Errorf("softkey: waiting for a touch: %w", ctx.Err())
	}
	var s status
	if !errors.As(err, &s) {
		s = errOther
	}
	return []byte{byte(s)}, nil
}

func (k *Key) dispatch(ctx context.Context, msg []byte) ([]byte, error) {
	if len(msg) == 0 {
		return nil, errInvalidLength
	}
	if len(msg) > maxMessage {
		return nil, errRequestTooLarge
	}
	command, body := msg[0], msg[1:]
	next := k.next
	k.next = nil // "the authenticator MUST discard the state on any other command" (§6.3)
	switch command {
	case cmdGetInfo, cmdReset, cmdGetNextAssertion, cmdSelection:
		if len(body) != 0 {
			return nil, errInvalidLength
		}
	}
	switch command {
	case cmdGetInfo:
		return k.info(), nil
	case cmdSelection:
		return nil, k.waitForTouch(ctx)
	case cmdReset:
		return nil, k.reset(ctx)
	case cmdGetNextAssertion:
		return k.nextAssertion(next)
	}
	handlers := map[byte]func(context.Context, params) ([]byte, error){
		cmdMakeCredential: k.makeCredential,
		cmdGetAssertion:   k.getAssertion,
		cmdClientPIN:      k.clientPIN,
		cmdBioEnrollment:  k.bioEnrollment,
		cmdCredentials:    k.credentialManagement,
		cmdLargeBlobs:     k.largeBlobs,
		cmdConfig:         k.config,

		cmdBioEnrollmentPreview: k.bioEnrollment,
		cmdCredentialsPreview:   k.credentialManagement,
	}
	handler, known := handlers[command]
	if !known {
		return nil, errInvalidCommand
	}
	if len(body) == 0 {
		return nil, errMissingParameter
	}
	decoded, err := decode(body)
	if err != nil {
		return nil, err
	}
	m, isMap := decoded.(map[any]any)
	if !isMap {
		return nil, errUnexpectedType
	}
	return handler(ctx, m)
}

// waitForTouch tests for user presence.
func (k *Key) waitForTouch(ctx context.Context) error {
	waiting, cancel := context.WithTimeout(ctx, touchPeriod)
	defer cancel()
	defer announce(ctx)()
	err := k.opts.Touch(waiting)
	switch {
	case err == nil:
		k.touches.Add(1)
		return nil
	case ctx.Err() != nil:
		return errKeepaliveCancel
	case waiting.Err() != nil:
		return errUserActionTimeout
	default:
		return errOperationDenied
	}
}

// reset deletes every credential and the PIN (§6.6).
func (k *Key) reset(ctx context.Context) error {
	if k.opts.Now().Sub(k.poweredAt) > resetPeriod {
		return errNotAllowed
	}
	if err := k.waitForTouch(ctx); err != nil {
		return err
	}
	if err := k.commit(func(s *state) { *s = freshState() }); err != nil {
		return err
	}
	return k.powerUp()
}

// info answers authenticatorGetInfo (§6.4).
func (k *Key) info() []byte {
	algorithms := []any{}
	for _, alg := range k.opts.Algorithms {
		algorithms = append(algorithms, map[any]any{"alg": alg, "type": "public-key"})
	}
	protocols := []any{}
	for _, number := range pinProtocolNumbers {
		protocols = append(protocols, int(number))
	}
	options := map[any]any{
		"rk": true, "up": true, "plat": false, "clientPin": k.pinHash != nil, "pinUvAuthToken": true,
		"credMgmt": true, "credentialMgmtPreview": true, "largeBlobs": true, "authnrCfg": true, "setMinPINLength": true, "alwaysUv": k.alwaysUV,
		"makeCredUvNotRqd": !k.opts.UVForAll && !k.alwaysUV, // "MUST be false" with alwaysUv
	}
	info := map[any]any{
		0x01: []any{"FIDO_2_0", "FIDO_2_1"},
		0x02: []any{"credProtect", "hmac-secret", "largeBlobKey", "minPinLength"},
		0x03: k.opts.AAGUID[:],
		0x04: options,
		0x05: maxMessage,
		0x06: protocols,
		0x07: maxListLength,
		0x08: credentialIDLength,
		0x09: []any{"usb"},
		0x0A: algorithms,
		0x0B: maxLargeBlobs,
		0x0C: k.forcePINChange,
		0x0D: k.minPINLength,
		0x0E: 1,
		0x10: maxMinPINReaders,
		0x14: maxCredentials - len(k.credentials),
	}
	if k.opts.Verify != nil {
		options["uv"], options["bioEnroll"] = len(k.fingers) > 0, len(k.fingers) > 0
		options["userVerificationMgmtPreview"] = len(k.fingers) > 0
		info[0x11] = maxUVTries
		info[0x12] = 0x02 // USER_VERIFY_FINGERPRINT_INTERNAL of the FIDO registry
	}
	return encode(nil, info)
}
