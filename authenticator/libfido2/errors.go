package libfido2

import (
	"errors"
	"fmt"
)

// Errors of a key that is not usable, beside authenticator.Status, [*BusyError],
// fs.ErrPermission and the errors of ctx. They are wrapped: check with errors.Is.
var (
	// ErrRemoved: the key is not there, or was unplugged meanwhile.
	ErrRemoved = errors.New("libfido2: the key is not plugged in")
	// ErrNotResponding: the key does not answer, or what it answers makes no sense.
	ErrNotResponding = errors.New("libfido2: the key does not respond: unplug it and plug it in again")
)

// BusyError reports that another program used the key until ctx was done.
type BusyError struct {
	Path string
	Err  error // of ctx
}

// Error implements error.
func (e *BusyError) Error() string {
	return fmt.Sprintf("libfido2: another program is using the key at %s: %v", e.Path, e.Err)
}

// Unwrap returns the error of ctx.
func (e *BusyError) Unwrap() error { return e.Err }

// UnsupportedError reports that this program was built without libfido2. It is an
// [errors.ErrUnsupported].
type UnsupportedError struct {
	Tag      string // the build tag to add
	Debian   string // the package to install on Debian and Ubuntu
	Homebrew string // the package to install on macOS
}

// Error implements error.
func (e *UnsupportedError) Error() string {
	return fmt.Sprintf("libfido2: this program was built without it: install %s (Debian, Ubuntu: apt-get install %s gcc) or %s (macOS: brew install %s), "+
		"then build with CGO_ENABLED=1 and -tags %s, on 64-bit Linux or macOS; or use package authenticator/hid, which needs none of this",
		e.Debian, e.Debian, e.Homebrew, e.Homebrew, e.Tag)
}

// Unwrap returns [errors.ErrUnsupported].
func (e *UnsupportedError) Unwrap() error { return errors.ErrUnsupported }
