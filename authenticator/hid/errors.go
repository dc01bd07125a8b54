package hid

import (
	"errors"
	"fmt"
	"io/fs"
)

// Errors of a key that is not usable, beside [Error], [*BusyError],
// [*PermissionError] and the errors of ctx. They are wrapped: check with errors.Is.
var (
	// ErrRemoved: the key is not there, or was unplugged meanwhile.
	ErrRemoved = errors.New("hid: the key is not plugged in")
	// ErrNotResponding: nothing answered to CTAPHID_INIT, which a key does at once.
	ErrNotResponding = errors.New("hid: the key does not respond: unplug it and plug it in again")
	// ErrMalformed: the key answered with what is not CTAPHID.
	ErrMalformed = errors.New("hid: the key answered with malformed frames")
)

// Error is the code with which a key refused a frame or a message (CTAP 2.1
// §11.2.9.1.6), below what CTAP2 itself refuses.
//
// https://fidoalliance.org/specs/fido-v2.1-ps-20210615/fido-client-to-authenticator-protocol-v2.1-ps-errata-20220621.html#usb-hid-error
type Error byte

const (
	codeInvalidCommand Error = 0x01
	codeChannelBusy    Error = 0x06
	codeInvalidChannel Error = 0x0B
)

// Error implements error.
func (e Error) Error() string {
	if name, ok := errorNames[e]; ok {
		return "hid: the key answered " + name
	}
	return fmt.Sprintf("hid: the key answered CTAPHID error 0x%02X", byte(e))
}

var errorNames = map[Error]string{
	0x01: "ERR_INVALID_CMD: it does not know the command",
	0x02: "ERR_INVALID_PAR",
	0x03: "ERR_INVALID_LEN",
	0x04: "ERR_INVALID_SEQ",
	0x05: "ERR_MSG_TIMEOUT",
	0x06: "ERR_CHANNEL_BUSY: another program is using it",
	0x0A: "ERR_LOCK_REQUIRED",
	0x0B: "ERR_INVALID_CHANNEL",
	0x7F: "ERR_OTHER",
}

// BusyError reports that another program used the key until ctx was done.
type BusyError struct {
	Path string
	Err  error // of ctx
}

// Error implements error.
func (e *BusyError) Error() string {
	return fmt.Sprintf("hid: another program is using the key at %s: %v", e.Path, e.Err)
}

// Unwrap returns the error of ctx.
func (e *BusyError) Unwrap() error { return e.Err }

// PermissionError reports that this user may not open the key. It is an
// [fs.ErrPermission].
type PermissionError struct {
	Path string
}

// Error implements error.
func (e *PermissionError) Error() string {
	return "hid: no permission to open " + e.Path + `: let the users at this machine use security keys, with the udev rules of a package (Debian: libfido2-1)` +
		` or with /etc/udev/rules.d/70-u2f.rules of one line, KERNEL=="hidraw*", SUBSYSTEM=="hidraw", ATTRS{idVendor}=="(4 digits of lsusb)", TAG+="uaccess", GROUP="plugdev", MODE="0660"; then plug the key in again`
}

// Unwrap returns [fs.ErrPermission].
func (e *PermissionError) Unwrap() error { return fs.ErrPermission }
