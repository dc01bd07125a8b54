package softkey

import (
	"bytes"
	"context"
	"crypto/subtle"
	"slices"
	"unicode/utf8"
)

// Subcommands of authenticatorClientPIN, CTAP 2.1 §6.5.5.
const (
	subGetPINRetries   = 0x01
	subGetKeyAgreement = 0x02
	subSetPIN          = 0x03
	subChangePIN       = 0x04
	subGetPINToken     = 0x05
	subGetUVToken      = 0x06 // getPinUvAuthTokenUsingUvWithPermissions
	subGetUVRetries    = 0x07
	subGetToken        = 0x09 // getPinUvAuthTokenUsingPinWithPermissions
)

const (
	minPINLength  = 4 // code points
	maxPINBytes   = 63
	maxMismatches = 3 // wrong PINs in a row until a power cycle
)

func (k *Key) clientPIN(ctx context.Context, m params) ([]byte, error) {
	sub, err := required[int64](m, 2)
	if err != nil {
		return nil, err
	}
	switch {
	case sub == subGetUVRetries && k.opts.Verify != nil:
		return encode(nil, map[any]any{5: k.uvRetries}), nil
	case sub == subGetPINRetries:
		return encode(nil, map[any]any{3: k.pinRetries, 4: k.mismatches >= maxMismatches}), nil
	}
	handlers := map[int64]func(*pinProtocol, params) ([]byte, error){
		subGetKeyAgreement: func(p *pinProtocol, _ params) ([]byte, error) {
			return encode(nil, map[any]any{1: p.publicKey()}), nil
		},
		subSetPIN:      k.setPIN,
		subChangePIN:   k.changePIN,
		subGetPINToken: k.pinToken,
		subGetToken:    k.pinTokenWithPermissions,
	}
	if k.opts.Verify != nil {
		handlers[subGetUVToken] = func(p *pinProtocol, m params) ([]byte, error) { return k.uvToken(ctx, p, m) }
	}
	handler, known := handlers[sub]
	if !known {
		return nil, errInvalidSubcommand
	}
	number, err := required[int64](m, 1)
	if err != nil {
		return nil, err
	}
	protocol, known := k.protocols[number]
	if !known {
		return nil, errInvalidParameter
	}
	return handler(protocol, m)
}

// agree reads the platform's key and derives the shared secret.
func agree(p *pinProtocol, m params) (*sharedSecret, error) {
	peer, err := required[map[any]any](m, 3)
	if err != nil {
		return nil, err
	}
	return p.decapsulate(peer)
}

// setPIN is §6.5.5.5.
func (k *Key) setPIN(p *pinProtocol, m params) ([]byte, error) {
	secret, err := agree(p, m)
	if err != nil {
		return nil, err
	}
	sealed, err := required[[]byte](m, 5)
	if err != nil {
		return nil, err
	}
	proof, err := required[[]byte](m, 4)
	if err != nil {
		return nil, err
	}
	if k.pinHash != nil || !p.verify(secret.hmac, sealed, proof) {
		return nil, errPINAuthInvalid
	}
	return nil, k.storePIN(p, secret, sealed)
}

// changePIN is §6.5.5.6.
func (k *Key) changePIN(p *pinProtocol, m params) ([]byte, error) {
	secret, err := agree(p, m)
	if err != nil {
		return nil, err
	}
	sealed, err := required[[]byte](m, 5)
	if err != nil {
		return nil, err
	}
	hash, err := required[[]byte](m, 6)
	if err != nil {
		return nil, err
	}
	proof, err := required[[]byte](m, 4)
	if err != nil {
		return nil, err
	}
	if err := k.pinUsable(); err != nil {
		return nil, err
	}
	if !p.verify(secret.hmac, slices.Concat(sealed, hash), proof) {
		return nil, errPINAuthInvalid
	}
	if err := k.checkPIN(p, secret, hash); err != nil {
		return nil, err
	}
	return nil, k.storePIN(p, secret, sealed)
}

// storePIN takes over a new PIN: 64 bytes when decrypted, padded with zeros.
func (k *Key) storePIN(p *pinProtocol, secret *sharedSecret, sealed []byte) error {
	padded, err := p.decrypt(secret, sealed)
	if err != nil {
		return err
	}
	defer clear(padded)
	if len(padded) != 64 {
		return errInvalidParameter
	}
	pin := bytes.TrimRight(padded, "\x00")
	if len(pin) > maxPINBytes || !utf8.Valid(pin) || utf8.RuneCount(pin) < k.minPINLength {
		return errPINPolicy
	}
	hash := hashPIN(pin)
	// "If … forcePINChange … is true and LEFT(SHA-256(newPin), 16) equals the stored
	// one, return CTAP2_ERR_PIN_POLICY_VIOLATION."
	if k.forcePINChange && subtle.ConstantTimeCompare(hash, k.pinHash) == 1 {
		return errPINPolicy
	}
	err = k.commit(func(s *state) {
		s.pinHash, s.pinLength, s.pinRetries = hash, utf8.RuneCount(pin), maxPINRetries
		s.forcePINChange = false
	})
	if err != nil {
		return err
	}
	k.mismatches = 0
	k.dropTokens()
	return nil
}

// pinToken is §6.5.5.7.1: the default permissions, bound to the first RP ID used.
func (k *Key) pinToken(p *pinProtocol, m params) ([]byte, error) {
	if m[int64(9)] != nil || m[int64(10)] != nil {
		return nil, errInvalidParameter
	}
	return k.tokenForPIN(p, m, permitMakeCredential|permitGetAssertion, "")
}

// pinTokenWithPermissions is §6.5.5.7.2.
func (k *Key) pinTokenWithPermissions(p *pinProtocol, m params) ([]byte, error) {
	permissions, rpID, err := k.wantedPermissions(m)
	if err != nil {
		return nil, err
	}
	return k.tokenForPIN(p, m, permissions, rpID)
}

// wantedPermissions reads what a token is to permit, and for which RP ID.
func (k *Key) wantedPermissions(m params) (permissions int64, rpID string, err error) {
	if permissions, err = required[int64](m, 9); err != nil {
		return 0, "", err
	}
	if permissions <= 0 {
		return 0, "", errInvalidParameter
	}
	known := int64(permitMakeCredential | permitGetAssertion | permitCredentialManagement | permitLargeBlobWrite | permitConfig)
	if k.opts.Verify != nil {
		known |= permitBioEnrollment
	}
	if permissions&^known != 0 {
		return 0, "", errPermission
	}
	rpID, present, err := optional[string](m, 10)
	if err != nil {
		return 0, "", err
	}
	if !present && permissions&(permitMakeCredential|permitGetAssertion) != 0 {
		return 0, "", errMissingParameter
	}
	return permissions, rpID, nil
}

func (k *Key) tokenForPIN(p *pinProtocol, m params, permissions int64, rpID string) ([]byte, error) {
	peer, err := required[map[any]any](m, 3)
	if err != nil {
		return nil, err
	}
	hash, err := required[[]byte](m, 6)
	if err != nil {
		return nil, err
	}
	if err := k.pinUsable(); err != nil {
		return nil, err
	}
	secret, err := p.decapsulate(peer)
	if err != nil {
		return nil, err
	}
	if err := k.checkPIN(p, secret, hash); err != nil {
		return nil, err
	}
	// A PIN that must be changed serves to change it, and for nothing else.
	if k.forcePINChange {
		return nil, errPINInvalid
	}
	return k.issueToken(p, secret, permissions, rpID, false)
}

func (k *Key) issueToken(p *pinProtocol, secret *sharedSecret, permissions int64, rpID string, present bool) ([]byte, error) {
	k.dropTokens()
	sealed, err := p.encrypt(secret, p.issue(permissions, rpID, present, k.opts.Now()))
	if err != nil {
		return nil, err
	}
	return encode(nil, map[any]any{2: sealed}), nil
}

// pinUsable refuses before a PIN is looked at.
func (k *Key) pinUsable() error {
	switch {
	case k.pinHash == nil:
		return errPINNotSet
	case k.pinRetries == 0:
		return errPINBlocked
	case k.mismatches >= maxMismatches:
		return errPINAuthBlocked
	default:
		return nil
	}
}

// checkPIN compares a PIN. The retry is used up, durably, before the comparison:
// pulling the plug in between wins nothing.
func (k *Key) checkPIN(p *pinProtocol, secret *sharedSecret, sealed []byte) error {
	if err := k.commit(func(s *state) { s.pinRetries-- }); err != nil {
		return err
	}
	hash, err := p.decrypt(secret, sealed)
	if err != nil || subtle.ConstantTimeCompare(hash, k.pinHash) != 1 {
		if err := p.regenerate(); err != nil {
			return errOther
		}
		k.mismatches++
		switch {
		case k.pinRetries == 0:
			return errPINBlocked
		case k.mismatches >= maxMismatches:
			return errPINAuthBlocked
		default:
			return errPINInvalid
		}
	}
	k.mismatches = 0
	// Whoever knows the PIN may try the sensor again, too.
	return k.commit(func(s *state) { s.pinRetries, s.uvRetries = maxPINRetries, maxUVRetries })
}

// dropTokens is resetPinUvAuthToken for every protocol.
func (k *Key) dropTokens() {
	for _, p := range k.protocols {
		p.token = token{}
	}
}
