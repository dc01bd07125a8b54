package softkey

import "fmt"

// status is the first byte of every response (CTAP 2.1 §8.2).
type status byte

const (
	ok                   status = 0x00
	errInvalidCommand    status = 0x01
	errInvalidParameter  status = 0x02
	errInvalidLength     status = 0x03
	errInvalidSequence   status = 0x04
	errUnexpectedType    status = 0x11
	errInvalidCBOR       status = 0x12
	errMissingParameter  status = 0x14
	errExcluded          status = 0x19
	errUnsupportedAlg    status = 0x26
	errOperationDenied   status = 0x27
	errFingersFull       status = 0x17
	errBlobsFull         status = 0x18
	errKeyStoreFull      status = 0x28
	errUnsupportedOption status = 0x2B
	errInvalidOption     status = 0x2C
	errKeepaliveCancel   status = 0x2D
	errNoCredentials     status = 0x2E
	errUserActionTimeout status = 0x2F
	errNotAllowed        status = 0x30
	errPINInvalid        status = 0x31
	errPINBlocked        status = 0x32
	errPINAuthInvalid    status = 0x33
	errPINAuthBlocked    status = 0x34
	errPINNotSet         status = 0x35
	errPUATRequired      status = 0x36
	errPINPolicy         status = 0x37
	errRequestTooLarge   status = 0x39
	errUVBlocked         status = 0x3C
	errIntegrityFailure  status = 0x3D
	errInvalidSubcommand status = 0x3E
	errUVInvalid         status = 0x3F
	errPermission        status = 0x40
	errOther             status = 0x7F
)

// Error implements error, so that a status can end a chain of calls.
func (s status) Error() string { return fmt.Sprintf("softkey: status 0x%02X", byte(s)) }
