package remote

import (
	"context"
	"errors"
	"strings"
	"unicode"

	"github.com/lakekey/lakekey/authenticator"
)

// Errors that a caller decides on. They are wrapped: check with errors.Is. The
// errors of an authenticator.Client arrive as they are there.
var (
	// ErrBusy: the key is in another ceremony.
	ErrBusy = errors.New("remote: the key is busy with another request")
	// ErrDenied: the person beside the key, or who decides for them, said no, now or a
	// moment ago.
	ErrDenied = errors.New("remote: denied beside the key")
	// ErrNotAllowed: the RP ID is not on the list of the Server, or the request
	// is a registration and the Server allows none.
	ErrNotAllowed = errors.New("remote: not allowed by the machine with the key")
	// ErrDisconnected: the connection ended before the answer came. Nothing is
	// known about the ceremony, except that it is over.
	ErrDisconnected = errors.New("remote: the connection to the machine with the key ended")
	// ErrInUse: another Server answers on the socket.
	ErrInUse = errors.New("remote: the socket is in use")
)

// code is the meaning of an error on the wire. Numbers are never reused.
type code byte

const (
	codeOther          code = 1
	codeProtocol       code = 2
	codeVersion        code = 3
	codeBusy           code = 4
	codeDenied         code = 5
	codeNotAllowed     code = 6
	codeTimeout        code = 7
	codeOrigin         code = 8
	codeNoDevice       code = 9
	codePINRequired    code = 10
	codeChoiceRequired code = 11
	codeStatus         code = 12
	codePIN            code = 13
	codeEnded          code = 14
)

// plain are the errors that a code alone tells.
var plain = []struct {
	code code
	err  error
}{
	{codeProtocol, errProtocol},
	{codeBusy, ErrBusy},
	{codeDenied, ErrDenied},
	{codeNotAllowed, ErrNotAllowed},
	{codeEnded, ErrDisconnected},
	{codeTimeout, context.DeadlineExceeded},
	{codeOrigin, authenticator.ErrOrigin},
	{codeNoDevice, authenticator.ErrNoDevice},
	{codePINRequired, authenticator.ErrPINRequired},
	{codeChoiceRequired, authenticator.ErrChoiceRequired},
}

// newFailure packs an error. A context.Canceled is none of these: it is about the
// ctx beside the key, and the asker has another.
func newFailure(err error) *failure {
	f := &failure{Code: codeOther, Text: printable(err.Error())}
	if i, ok := errors.AsType[*authenticator.IneligibleError](err); ok {
		f.Ineligible, f.Product = true, printable(i.Device.Product)
	}
	if pin, ok := errors.AsType[*authenticator.PINError](err); ok {
		f.Code, f.Status, f.Retries, f.PowerCycle = codePIN, byte(pin.Status), pin.Retries, pin.PowerCycleNeeded
		return f
	}
	if status, ok := errors.AsType[authenticator.Status](err); ok {
		f.Code, f.Status = codeStatus, byte(status)
		return f
	}
	for _, p := range plain {
		if errors.Is(err, p.err) {
			f.Code = p.code
			return f
		}
	}
	return f
}

// err unpacks a failure.
func (f *failure) err() error {
	e := &remoteError{text: printable(f.Text)}
	switch f.Code {
	case codePIN:
		e.cause = &authenticator.PINError{Retries: f.Retries, PowerCycleNeeded: f.PowerCycle, Status: authenticator.Status(f.Status)}
	case codeStatus:
		e.cause = authenticator.Status(f.Status)
	case codeVersion:
		e.text = "remote: the machine with the key speaks another version of the protocol: use the same lakekey on both sides"
	default:
		for _, p := range plain {
			if p.code == f.Code {
				e.cause = p.err
			}
		}
	}
	if f.Ineligible && e.cause != nil {
		e.cause = &authenticator.IneligibleError{Device: authenticator.Descriptor{Product: printable(f.Product)}, Reason: e.cause}
	}
	if e.text == "" && e.cause != nil {
		e.text = e.cause.Error()
	}
	return e
}

// remoteError is an error from beside the key: its text, and what it is here.
type remoteError struct {
	text  string
	cause error // nil: only the text is known
}

func (e *remoteError) Error() string { return "asking the remote key: " + e.text }

func (e *remoteError) Unwrap() error { return e.cause }

const maxText = 512

// printable makes a text from outside fit to be shown or logged.
func printable(s string) string {
	if len(s) > maxText {
		s = s[:maxText]
	}
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) || r == unicode.ReplacementChar {
			return '?'
		}
		return r
	}, s)
}
