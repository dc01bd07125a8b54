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
	subGetToken        = 0x09 // getPinUvAuthTokenUsingPinWithPermissions
)

const (
	minPINLength  = 4 // code points
	maxPINBytes   = 63
	maxMismatches = 3 // wrong PINs in a row until a power cycle
)

func (k *Key) clientPIN(_ context.Context, m params) ([]byte, error) {
	sub, err := required[int64](m, 2)
	if err != nil {
		return nil, err
	}
	if sub == subGetPINRetries {
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
	if len(padded) != 64 {
		return errInvalidParameter
	}
	pin := bytes.TrimRight(padded, "\x00")
	if len(pin) > maxPINBytes || !utf8.Valid(pin) || utf8.RuneCount(pin) < minPINLength {
		return errPINPolicy
	}
	if err := k.commit(func(s *state) { s.pinHash, s.pinRetries = hashPIN(pin), maxPINRetries }); err != nil {
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
	return k.issueToken(p, m, permitMakeCredential|permitGetAssertion, "")
}

// pinTokenWithPermissions is §6.5.5.7.2.
func (k *Key) pinTokenWithPermissions(p *pinProtocol, m params) ([]byte, error) {
	permissions, err := required[int64](m, 9)
	if err != nil {
		return nil, err
	}
	if permissions <= 0 {
		return nil, errInvalidParameter
	}
	if permissions&^(permitMakeCredential|permitGetAssertion) != 0 {
		return nil, errPermission
	}
	rpID, err := required[string](m, 10)
	if err != nil {
		return nil, err
	}
	return k.issueToken(p, m, permissions, rpID)
}

func (k *Key) issueToken(p *pinProtocol, m params, permissions int64, rpID string) ([]byte, error) {
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
	k.dropTokens()
	sealed, err := p.encrypt(secret, p.issue(permissions, rpID, k.opts.Now()))
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
	return k.commit(func(s *state) { s.pinRetries = maxPINRetries })
}

// dropTokens is resetPinUvAuthToken for every protocol.
func (k *Key) dropTokens() {
	for _, p := range k.protocols {
		p.token = token{}
	}
}
