//go:build libfido2 && cgo && (linux || darwin) && !386 && !arm && !mips && !mipsle

package libfido2

import (
	"context"
	"errors"
	"fmt"
	"unicode/utf8"
	"unsafe"

	"golang.org/x/text/unicode/norm"

	"github.com/lakekey/lakekey/authenticator"
)

const (
	minPINLength = 4 // code points
	maxPINBytes  = 63
)

// Codes about a PIN.
const (
	statusPINInvalid     authenticator.Status = 0x31
	statusPINBlocked     authenticator.Status = 0x32
	statusPINAuthBlocked authenticator.Status = 0x34
)

// pinText is a PIN as go-libfido2 wants it.
type pinText struct {
	text  string // shares the memory of bytes; not to be used after wipe
	bytes []byte
}

// newPINText returns the PIN in Normalization Form C, in memory of its own. No PIN is
// the empty text. One that no key can have is refused, where it costs no retry.
func newPINText(pin []byte) (pinText, error) {
	if pin == nil {
		return pinText{}, nil
	}
	// NFC triples the length at most, so no growth leaves a copy behind.
	normal := norm.NFC.Append(make([]byte, 0, 3*len(pin)), pin...)
	nul := false
	for _, b := range normal {
		nul = nul || b == 0 // the end of the text, in C
	}
	if nul || !utf8.Valid(normal) || utf8.RuneCount(normal) < minPINLength || len(normal) > maxPINBytes {
		clear(normal)
		return pinText{}, fmt.Errorf("libfido2: that cannot be the PIN: PINs have at least %d characters and at most %d bytes", minPINLength, maxPINBytes)
	}
	return pinText{text: unsafe.String(unsafe.SliceData(normal), len(normal)), bytes: normal}, nil
}

func (p pinText) wipe() { clear(p.bytes) }

// explainPIN turns the status of a refused PIN into a PINError that says how many are
// left. Reading that costs nothing and is never a retry.
func (o *operation) explainPIN(ctx context.Context, err error) error {
	var s authenticator.Status
	if !errors.As(err, &s) {
		return err
	}
	switch s {
	case statusPINInvalid, statusPINAuthBlocked:
		e := &authenticator.PINError{Retries: -1, PowerCycleNeeded: s == statusPINAuthBlocked, Status: s}
		if n, readErr := o.retries(ctx); readErr == nil {
			e.Retries = n
		}
		return e
	case statusPINBlocked:
		return &authenticator.PINError{Retries: 0, Status: s}
	default:
		return err
	}
}
