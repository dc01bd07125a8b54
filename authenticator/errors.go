package authenticator

import (
	"errors"
	"fmt"

	"github.com/lakekey/lakekey/authenticator/internal/webauthn"
)

// Errors of a ceremony, beside the [Status] constants, [*PINError] and the
// errors of ctx. They are wrapped: check with errors.Is.
var (
	// ErrOrigin: the origin may not use the RP ID, or may not use a key at all.
	ErrOrigin = webauthn.ErrOrigin
	// ErrNoDevice: no key is there that could serve, and there is no UI to ask for one.
	ErrNoDevice = errors.New("authenticator: no security key")
	// ErrPINRequired: the key needs its PIN and there is no UI to ask for it.
	ErrPINRequired = errors.New("authenticator: PIN required")
	// ErrChoiceRequired: several accounts match and there is no UI to choose one.
	ErrChoiceRequired = errors.New("authenticator: several accounts match")
)

// Outcomes that a key reports and a caller decides on.
const (
	// ErrExcluded: the key already holds a credential of the exclude list.
	ErrExcluded Status = 0x19
	// ErrUnsupportedAlgorithm: the key knows none of the algorithms asked for.
	ErrUnsupportedAlgorithm Status = 0x26
	// ErrNoCredentials: the key holds no credential for the RP ID and allow list.
	ErrNoCredentials Status = 0x2E
	// ErrPINNotSet: the user must be verified, but the key has neither a PIN
	// nor another way set up.
	ErrPINNotSet Status = 0x35
)

// IneligibleError reports that the key which was touched, or the only one, cannot
// serve: Reason is [ErrNoCredentials] (not registered here), [ErrExcluded] (already
// registered), [ErrPINNotSet], [ErrPINRequired], [ErrUnsupportedAlgorithm] or another
// [Status], and what errors.Is finds.
type IneligibleError struct {
	Device Descriptor
	Reason error
}

// Error implements error.
func (e *IneligibleError) Error() string {
	if e.Device.Product == "" {
		return "this key cannot serve: " + e.Reason.Error()
	}
	return fmt.Sprintf("%s cannot serve: %v", e.Device.Product, e.Reason)
}

// Unwrap returns the reason.
func (e *IneligibleError) Unwrap() error { return e.Reason }

// PINError reports that a key refused a PIN, or would refuse any.
type PINError struct {
	Retries          int    // wrong PINs left; 0: the key must be reset; -1: the key does not say
	PowerCycleNeeded bool   // no PIN is accepted until the key is plugged in anew
	Status           Status // what the key answered
}

// Error implements error.
func (e *PINError) Error() string {
	switch {
	case e.Retries == 0:
		return "authenticator: the PIN is blocked: the key must be reset, which deletes its credentials"
	case e.PowerCycleNeeded:
		return "authenticator: too many wrong PINs in a row: unplug the key and plug it in again"
	case e.Retries < 0:
		return "authenticator: wrong PIN"
	default:
		return fmt.Sprintf("authenticator: wrong PIN, %d left before the key locks itself", e.Retries)
	}
}

// Unwrap returns the key's status.
func (e *PINError) Unwrap() error { return e.Status }
