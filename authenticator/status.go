package authenticator

import "fmt"

// Status is the code with which a key refused a command (CTAP 2.1 §8.2). It is
// an error; compare it with errors.Is, against a constant of this package or
// against a code of the specification, Status(0x27) for instance.
//
// https://fidoalliance.org/specs/fido-v2.1-ps-20210615/fido-client-to-authenticator-protocol-v2.1-ps-errata-20220621.html#error-responses
type Status byte

// Error implements error.
func (s Status) Error() string {
	text := "authenticator: the key answered " + s.name()
	if hint := statusHints[s]; hint != "" {
		text += ": " + hint
	}
	return text
}

// name returns the name of the specification, CTAP2_ERR_NO_CREDENTIALS for
// instance, or the number of a code that has none.
func (s Status) name() string {
	if name, ok := statusNames[s]; ok {
		return name
	}
	switch {
	case s >= 0xF0:
		return fmt.Sprintf("CTAP2_ERR_VENDOR_0x%02X", byte(s))
	case s >= 0xE0:
		return fmt.Sprintf("CTAP2_ERR_EXTENSION_0x%02X", byte(s))
	default:
		return fmt.Sprintf("CTAP_ERR_0x%02X", byte(s))
	}
}

const (
	statusOK                Status = 0x00
	statusInvalidCommand    Status = 0x01
	statusBlobsFull         Status = 0x18
	statusOperationDenied   Status = 0x27
	statusKeyStoreFull      Status = 0x28
	statusUnsupportedOption Status = 0x2B
	statusInvalidOption     Status = 0x2C
	statusKeepaliveCancel   Status = 0x2D
	statusNotAllowed        Status = 0x30
	statusPINInvalid        Status = 0x31
	statusPINBlocked        Status = 0x32
	statusPINAuthInvalid    Status = 0x33
	statusPINAuthBlocked    Status = 0x34
	statusPUATRequired      Status = 0x36
	statusPINPolicy         Status = 0x37
	statusUVBlocked         Status = 0x3C
	statusUVInvalid         Status = 0x3F
)

// statusHints say what to do where the name alone does not.
var statusHints = map[Status]string{
	0x06: "another program is using it",
	0x18: "it has no room for a blob of that size",
	0x19: "it is already registered",
	0x26: "it supports none of the algorithms asked for",
	0x27: "the request was declined at the key",
	0x28: "it has no room for another credential: delete one",
	0x2D: "the request was cancelled at the key",
	0x2E: "it is not registered here",
	0x2F: "it was not touched in time",
	0x33: "the PIN authentication was not accepted",
	0x35: "the user must be verified, and it has no PIN: set one first",
	0x37: "its PIN must be changed first",
	0x3A: "it was not touched in time",
	0x3C: "too many failed verifications: use the PIN",
	0x3F: "the user was not recognised",
}

var statusNames = map[Status]string{
	0x00: "CTAP2_OK",
	0x01: "CTAP1_ERR_INVALID_COMMAND",
	0x02: "CTAP1_ERR_INVALID_PARAMETER",
	0x03: "CTAP1_ERR_INVALID_LENGTH",
	0x04: "CTAP1_ERR_INVALID_SEQ",
	0x05: "CTAP1_ERR_TIMEOUT",
	0x06: "CTAP1_ERR_CHANNEL_BUSY",
	0x0A: "CTAP1_ERR_LOCK_REQUIRED",
	0x0B: "CTAP1_ERR_INVALID_CHANNEL",
	0x11: "CTAP2_ERR_CBOR_UNEXPECTED_TYPE",
	0x12: "CTAP2_ERR_INVALID_CBOR",
	0x14: "CTAP2_ERR_MISSING_PARAMETER",
	0x15: "CTAP2_ERR_LIMIT_EXCEEDED",
	0x16: "CTAP2_ERR_UNSUPPORTED_EXTENSION", // CTAP 2.0 only
	0x17: "CTAP2_ERR_FP_DATABASE_FULL",
	0x18: "CTAP2_ERR_LARGE_BLOB_STORAGE_FULL",
	0x19: "CTAP2_ERR_CREDENTIAL_EXCLUDED",
	0x21: "CTAP2_ERR_PROCESSING",
	0x22: "CTAP2_ERR_INVALID_CREDENTIAL",
	0x23: "CTAP2_ERR_USER_ACTION_PENDING",
	0x24: "CTAP2_ERR_OPERATION_PENDING",
	0x25: "CTAP2_ERR_NO_OPERATIONS",
	0x26: "CTAP2_ERR_UNSUPPORTED_ALGORITHM",
	0x27: "CTAP2_ERR_OPERATION_DENIED",
	0x28: "CTAP2_ERR_KEY_STORE_FULL",
	0x2B: "CTAP2_ERR_UNSUPPORTED_OPTION",
	0x2C: "CTAP2_ERR_INVALID_OPTION",
	0x2D: "CTAP2_ERR_KEEPALIVE_CANCEL",
	0x2E: "CTAP2_ERR_NO_CREDENTIALS",
	0x2F: "CTAP2_ERR_USER_ACTION_TIMEOUT",
	0x30: "CTAP2_ERR_NOT_ALLOWED",
	0x31: "CTAP2_ERR_PIN_INVALID",
	0x32: "CTAP2_ERR_PIN_BLOCKED",
	0x33: "CTAP2_ERR_PIN_AUTH_INVALID",
	0x34: "CTAP2_ERR_PIN_AUTH_BLOCKED",
	0x35: "CTAP2_ERR_PIN_NOT_SET",
	0x36: "CTAP2_ERR_PUAT_REQUIRED",
	0x37: "CTAP2_ERR_PIN_POLICY_VIOLATION",
	0x38: "CTAP2_ERR_PIN_TOKEN_EXPIRED", // CTAP 2.0 only
	0x39: "CTAP2_ERR_REQUEST_TOO_LARGE",
	0x3A: "CTAP2_ERR_ACTION_TIMEOUT",
	0x3B: "CTAP2_ERR_UP_REQUIRED",
	0x3C: "CTAP2_ERR_UV_BLOCKED",
	0x3D: "CTAP2_ERR_INTEGRITY_FAILURE",
	0x3E: "CTAP2_ERR_INVALID_SUBCOMMAND",
	0x3F: "CTAP2_ERR_UV_INVALID",
	0x40: "CTAP2_ERR_UNAUTHORIZED_PERMISSION",
	0x7F: "CTAP1_ERR_OTHER",
	0xDF: "CTAP2_ERR_SPEC_LAST",
}
