package winhello

import (
	"context"
	"errors"
	"fmt"

	"github.com/lakekey/lakekey/authenticator"
)

// UnsupportedError reports that this machine has no WebAuthn interface of Windows.
// It is errors.ErrUnsupported.
type UnsupportedError struct{ Reason string }

// Error implements error.
func (e *UnsupportedError) Error() string {
	return "winhello: the WebAuthn interface of Windows is not available: " + e.Reason
}

// Is makes the error errors.ErrUnsupported.
func (e *UnsupportedError) Is(target error) bool { return target == errors.ErrUnsupported }

// Error is an HRESULT with which Windows ended an operation. Where package
// authenticator has an error of the same meaning, it is that as well.
type Error uint32

// ErrCancelled is the answer of a person who closed the window, and not the end of
// a ctx.
const ErrCancelled Error = 0x800704C7

const errUserCancelled Error = 0x80090036

// Error implements error.
func (e Error) Error() string {
	if k, ok := known[e]; ok {
		return fmt.Sprintf("winhello: %s (0x%08X)", k.text, uint32(e))
	}
	return fmt.Sprintf("winhello: Windows ended the operation (0x%08X)", uint32(e))
}

// Is treats the two codes for a person who cancelled as one.
func (e Error) Is(target error) bool { return e == errUserCancelled && target == ErrCancelled }

// Unwrap returns the error of package authenticator, nil if there is none.
func (e Error) Unwrap() error { return known[e].means }

// known are the codes that WebAuthNGetErrorName tells apart, and what they mean.
var known = map[Error]struct {
	text  string
	means error
}{
	ErrCancelled:     {"the request was cancelled by the person", nil},
	errUserCancelled: {"the request was cancelled by the person", nil},
	0x800705B4:       {"the request was not answered in time", context.DeadlineExceeded},
	0x80070032:       {"nothing here can do what the options ask for", errors.ErrUnsupported},
	0x80090029:       {"nothing here can do what the options ask for", errors.ErrUnsupported},
	0x80090023:       {"the key has no room for another credential", authenticator.Status(0x28)},
	0x8009000F:       {"the key is registered already", authenticator.ErrExcluded},
	0x80090011:       {"no credential for this was found", authenticator.ErrNoCredentials},
	0x80090035:       {"no security key", authenticator.ErrNoDevice},
	0x80090027:       {"Windows does not accept the options", nil},
}
