package softkey

import (
	"bytes"
	"context"
	"slices"
)

// Subcommands of authenticatorConfig, CTAP 2.1 §6.11.
const (
	subToggleAlwaysUV = 0x02
	subSetMinPIN      = 0x03
)

// maxMinPINReaders is how many RP IDs may learn the minimum PIN length.
const maxMinPINReaders = 4

// config is authenticatorConfig.
func (k *Key) config(_ context.Context, m params) ([]byte, error) {
	sub, err := required[int64](m, 1)
	if err != nil {
		return nil, err
	}
	if sub != subToggleAlwaysUV && sub != subSetMinPIN {
		return nil, errInvalidSubcommand
	}
	details, _, err := optional[map[any]any](m, 2)
	if err != nil {
		return nil, err
	}
	// Whoever holds a key that nothing protects may set it up.
	if k.protected() {
		// "authenticate(pinUvAuthToken, 32×0xff || 0x0d || uint8(subCommand) || subCommandParams)"
		message := append(bytes.Repeat([]byte{0xFF}, 32), cmdConfig, byte(sub))
		if details != nil {
			message = append(message, reencode(details)...)
		}
		if _, err := k.authorizeCommand(m, 3, permitConfig, message); err != nil {
			return nil, err
		}
	}
	if sub == subToggleAlwaysUV {
		return nil, k.commit(func(s *state) { s.alwaysUV = !s.alwaysUV })
	}
	return nil, k.setMinPIN(details)
}

// setMinPIN is setMinPINLength (§6.11.4): the length only ever grows.
func (k *Key) setMinPIN(details params) error {
	length, present, err := optional[int64](details, 1)
	if err != nil {
		return err
	}
	if !present {
		length = int64(k.minPINLength)
	}
	list, _, err := optional[[]any](details, 2)
	if err != nil {
		return err
	}
	var readers []string
	for _, element := range list {
		rpID, isText := element.(string)
		if !isText {
			return errUnexpectedType
		}
		readers = append(readers, rpID)
	}
	force, _, err := optional[bool](details, 3)
	if err != nil {
		return err
	}
	switch {
	case len(readers) > maxMinPINReaders:
		return errKeyStoreFull
	case length < int64(k.minPINLength), length > maxPINBytes:
		return errPINPolicy
	case force && k.pinHash == nil:
		return errPINNotSet
	}
	err = k.commit(func(s *state) {
		s.minPINLength = int(length)
		if list != nil {
			s.minPINReaders = slices.Clone(readers)
		}
		s.forcePINChange = s.forcePINChange || force || s.pinHash != nil && s.pinLength < int(length)
	})
	if err == nil && k.forcePINChange {
		k.dropTokens()
	}
	return err
}
