package authenticator

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

func (d *ctap2) SetPIN(ctx context.Context, pin []byte) error {
	return d.storePIN(ctx, nil, pin)
}

func (d *ctap2) ChangePIN(ctx context.Context, current, pin []byte) error {
	if len(current) == 0 {
		return ErrPINRequired
	}
	return d.storePIN(ctx, current, pin)
}

// storePIN is setPIN, and changePIN where there is a current one (CTAP 2.1 §6.5.5.5,
// §6.5.5.6).
func (d *ctap2) storePIN(ctx context.Context, current, pin []byte) error {
	codec, end, err := d.begin(ctx)
	if err != nil {
		return err
	}
	defer end()
	info, err := d.info(ctx, codec)
	if err != nil {
		return err
	}
	set, able := info.Options["clientPin"]
	switch {
	case !able:
		return errors.New("authenticator: this key takes no PIN")
	case set && current == nil:
		return errors.New("authenticator: this key has a PIN already: change it")
	case !set && current != nil:
		return fmt.Errorf("changing the PIN: %w", ErrPINNotSet)
	}
	protocol, err := choosePINProtocol(info)
	if err != nil {
		return err
	}
	session, err := d.agree(ctx, codec, protocol)
	if err != nil {
		return err
	}
	defer session.wipe()
	request := &wireClientPIN{Protocol: protocol, Subcommand: subSetPIN, KeyAgreement: &session.public}
	if request.NewPIN, err = sealNewPIN(session, pin, info.MinPINLength); err != nil {
		return err
	}
	signed := request.NewPIN
	if current != nil {
		request.Subcommand = subChangePIN
		if request.PINHash, err = sealPIN(session, current); err != nil {
			return err
		}
		signed = slices.Concat(request.NewPIN, request.PINHash)
	}
	request.Proof = tokenProof(protocol, session.hmacKey, signed)
	if _, err := d.call(ctx, codec, cmdClientPIN, request); err != nil {
		return fmt.Errorf("storing the PIN: %w", d.explainPIN(ctx, codec, err))
	}
	return nil
}

// normalPIN returns a PIN in Normalization Form C and what wipes the copy, if it is one.
func normalPIN(pin []byte) (normal []byte, wipe func()) {
	if norm.NFC.IsNormal(pin) {
		return pin, func() {}
	}
	// NFC triples the length at most, so no growth leaves a copy behind.
	normal = norm.NFC.Append(make([]byte, 0, 3*len(pin)), pin...)
	return normal, func() { clear(normal) }
}

// sealPIN encrypts the left half of SHA-256 over the PIN. A PIN that no key can have
// is refused here, where it costs no retry.
func sealPIN(session *pinSession, pin []byte) ([]byte, error) {
	normal, wipe := normalPIN(pin)
	defer wipe()
	if !utf8.Valid(normal) || utf8.RuneCount(normal) < defaultMinPINLength || len(normal) > maxPINBytes {
		return nil, fmt.Errorf("authenticator: that cannot be the PIN: PINs have at least %d characters and at most %d bytes",
			defaultMinPINLength, maxPINBytes)
	}
	hash := sha256.Sum256(normal)
	defer clear(hash[:])
	// SHA-256 keeps its input on the stack: hashing as many zeros overwrites it there.
	sha256.Sum256(make([]byte, len(normal)))
	return session.encrypt(hash[:16])
}

// sealNewPIN encrypts a PIN "padded with trailing 0x00 bytes" to 64.
func sealNewPIN(session *pinSession, pin []byte, minLength int) ([]byte, error) {
	normal, wipe := normalPIN(pin)
	defer wipe()
	minLength = max(minLength, defaultMinPINLength)
	if !utf8.Valid(normal) || utf8.RuneCount(normal) < minLength || len(normal) > maxPINBytes || normal[len(normal)-1] == 0 {
		return nil, fmt.Errorf("authenticator: not a PIN for this key: it needs at least %d characters and at most %d bytes", minLength, maxPINBytes)
	}
	padded := make([]byte, 64)
	defer clear(padded)
	copy(padded, normal)
	return session.encrypt(padded)
}
