//go:build libfido2 && cgo && (linux || darwin) && !386 && !arm && !mips && !mipsle

package libfido2

import (
	"errors"
	"fmt"

	gofido "github.com/keys-pub/go-libfido2"

	"github.com/lakekey/lakekey/authenticator"
)

// libraryError is a code that libfido2 gives itself, below zero in its err.h.
type libraryError int

const (
	codeTX              libraryError = -1
	codeRX              libraryError = -2
	codeNotCBOR         libraryError = -3
	codeInvalidCBOR     libraryError = -4
	codeInvalidArgument libraryError = -7
	codeUserPresence    libraryError = -8
	codeInternal        libraryError = -9
)

// Error implements error.
func (e libraryError) Error() string {
	switch e {
	case codeTX:
		return "libfido2: the key takes nothing"
	case codeRX:
		return "libfido2: the key answers nothing"
	case codeNotCBOR, codeInvalidCBOR:
		return "libfido2: the key answered with malformed data"
	case codeInvalidArgument:
		return "libfido2: this libfido2 cannot do that"
	case codeUserPresence:
		return "libfido2: a touch is required"
	case codeInternal:
		return "libfido2: internal error"
	default:
		return fmt.Sprintf("libfido2: error %d", int(e))
	}
}

// ofTheLine reports whether the key, rather than the request, may be at fault.
func (e libraryError) ofTheLine() bool { return e == codeTX || e == codeRX || e == codeInternal }

// errNotFIDO2 is a key that knows U2F only.
var errNotFIDO2 = errors.New("libfido2: the key knows U2F only")

// errUnsupported is CTAP2_ERR_UNSUPPORTED_OPTION.
const errUnsupported = authenticator.Status(0x2B)

// named are the codes for which go-libfido2 has errors without a number.
var named = []struct {
	err  error
	code int
}{
	{gofido.ErrTX, int(codeTX)},
	{gofido.ErrRX, int(codeRX)},
	{gofido.ErrRXNotCBOR, int(codeNotCBOR)},
	{gofido.ErrRXInvalidCBOR, int(codeInvalidCBOR)},
	{gofido.ErrInvalidArgument, int(codeInvalidArgument)},
	{gofido.ErrUserPresenceRequired, int(codeUserPresence)},
	{gofido.ErrInternal, int(codeInternal)},
	{gofido.ErrInvalidCommand, 0x01},
	{gofido.ErrInvalidLength, 0x03},
	{gofido.ErrMissingParameter, 0x14},
	{gofido.ErrInvalidCredential, 0x22},
	{gofido.ErrOperationDenied, 0x27},
	{gofido.ErrUnsupportedOption, 0x2B},
	{gofido.ErrInvalidOption, 0x2C},
	{gofido.ErrKeepaliveCancel, 0x2D},
	{gofido.ErrNoCredentials, 0x2E},
	{gofido.ErrNotAllowed, 0x30},
	{gofido.ErrPinInvalid, 0x31},
	{gofido.ErrPinAuthBlocked, 0x34},
	{gofido.ErrPinNotSet, 0x35},
	{gofido.ErrPinRequired, 0x36},
	{gofido.ErrPinPolicyViolation, 0x37},
	{gofido.ErrActionTimeout, 0x3A},
	{gofido.ErrUPRequired, 0x3B},
	{gofido.ErrOther, 0x7F},
}

// translate turns an error of go-libfido2 into the Status of its number, or into a
// libraryError.
func translate(err error) error {
	if errors.Is(err, gofido.ErrNotFIDO2) {
		return errNotFIDO2
	}
	var numbered gofido.Error
	if errors.As(err, &numbered) {
		return ofCode(numbered.Code, err)
	}
	for _, n := range named {
		if errors.Is(err, n.err) {
			return ofCode(n.code, err)
		}
	}
	return fmt.Errorf("libfido2: %v", err)
}

func ofCode(code int, err error) error {
	switch {
	case code > 0 && code <= 0xFF:
		return authenticator.Status(code)
	case code < 0:
		return libraryError(code)
	default:
		return fmt.Errorf("libfido2: %v", err)
	}
}

// answered reports whether an error of go-libfido2 came from the key.
func answered(err error) bool {
	var s authenticator.Status
	return errors.As(translate(err), &s)
}
