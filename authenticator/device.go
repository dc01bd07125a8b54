package authenticator

import (
	"context"
)

// Transport is the line to one CTAP2 key at byte level: what CTAPHID_CBOR or an
// NFC message carries, without framing.
//
// CBOR sends a command byte with its CBOR parameters and returns a status byte
// with its CBOR response. It must return soon after ctx is done, with an error
// that wraps ctx.Err(), having told the key to cancel; the next call must find
// the key usable. It need not be safe for concurrent use and must not keep msg,
// which may hold secrets that the caller overwrites.
type Transport interface {
	CBOR(ctx context.Context, msg []byte) ([]byte, error)
}

// U2FTransport is a Transport that also carries U2F messages, for keys that know
// nothing else. MSG sends a raw APDU with extended length encoding and returns the
// response with its status word; the contract is that of CBOR.
//
// A key that refuses CBOR with CTAP1_ERR_INVALID_COMMAND is spoken to in U2F.
type U2FTransport interface {
	Transport
	MSG(ctx context.Context, apdu []byte) ([]byte, error)
}

// Descriptor says which key this is, for prompts and diagnostics.
type Descriptor struct {
	Transport string // "usb", "nfc", "ble", "internal"; also reported to the relying party when the key does not say itself
	Path      string // where the operating system has it
	Product   string // what the manufacturer calls it
	VendorID  uint16
	ProductID uint16
}

// Device is one key. Implementations are safe for concurrent use: one operation
// runs at a time and the others wait for it or for their ctx.
//
// Errors of the key itself are a [Status], a wrong PIN is a [*PINError], and a
// done ctx is an error that wraps ctx.Err().
type Device interface {
	Descriptor() Descriptor
	// Info asks the key what it can do and how it is set up at the moment.
	Info(ctx context.Context) (*Info, error)
	// MakeCredential creates a credential and waits for a touch.
	MakeCredential(ctx context.Context, req *MakeCredentialRequest) (*MakeCredentialResult, error)
	// GetAssertion signs with every credential that matches and waits for a
	// touch. The result is never empty when the error is nil; several are in
	// the key's order, the most recently created first.
	GetAssertion(ctx context.Context, req *GetAssertionRequest) ([]Assertion, error)
	// Select makes the key blink and returns when it is touched.
	Select(ctx context.Context) error
	// PINRetries says how many wrong PINs are left, without using one.
	PINRetries(ctx context.Context) (PINState, error)
	// Close releases the key, after the operation under way: what ends that is its ctx.
	// Operations after Close fail.
	Close() error
}

// Info is what a key says about itself (authenticatorGetInfo, CTAP 2.1 §6.4).
// Members that the key leaves out are zero.
type Info struct {
	Versions              []string
	Extensions            []string
	AAGUID                [16]byte
	Options               map[string]bool // absent is not the same as false: see CTAP 2.1 §6.4, "options"
	MaxMessageSize        int
	PINProtocols          []int // in the key's order of preference
	MaxCredentialCount    int   // in one allow or exclude list; 0: not said
	MaxCredentialIDLength int   // 0: not said
	Transports            []string
	Algorithms            []int // COSE identifiers, in the key's order of preference
	ForcePINChange        bool
	MinPINLength          int // in code points
	PreferredUVAttempts   int // before asking for the PIN; 0: not said
	FirmwareVersion       int
	RemainingCredentials  int // discoverable ones that still fit; -1: not said
	MaxLargeBlobs         int // bytes of all large blobs together, encrypted; 0: the key keeps none
}

// PINState is what a key says before a PIN is tried.
type PINState struct {
	Retries          int
	PowerCycleNeeded bool // no PIN is accepted until the key is plugged in anew
}

// User is an account at a relying party.
type User struct {
	ID                []byte // the user handle: opaque, at most 64 bytes
	Name, DisplayName string // a key returns them only after verifying the user
}

// MakeCredentialRequest asks for a new credential.
type MakeCredentialRequest struct {
	ClientDataHash []byte // SHA-256 of the clientDataJSON
	RPID, RPName   string
	User           User
	Algorithms     []int    // COSE identifiers, the most wanted first
	Exclude        [][]byte // credential IDs; a key that has one of them refuses with [ErrExcluded]
	Discoverable   bool     // the key keeps the credential and finds it without its ID
	CredProtect    int      // 0: the key's default; 1 to 3: CTAP 2.1 §12.1
	HMACSecret     bool     // the credential can yield secrets: CTAP 2.1 §12.5
	MinPINLength   bool     // the key may tell the relying party: CTAP 2.1 §12.4
	LargeBlob      bool     // a blob can be kept for the credential, which is to be discoverable: CTAP 2.1 §12.3

	// PIN verifies the user by PIN, which the Device does not keep and does
	// not overwrite: it stays the caller's. BuiltInUV verifies by what the key
	// itself has, a fingerprint reader for instance. Neither: presence only.
	PIN       []byte
	BuiltInUV bool
}

// MakeCredentialResult is a new credential with the statement in which the key
// vouches for it.
type MakeCredentialResult struct {
	CredentialID         []byte
	AuthenticatorData    []byte
	Format               string // attestation statement format identifier
	AttestationStatement []byte // CBOR
	LargeBlob            bool   // a blob can be kept for it
}

// GetAssertionRequest asks for signatures.
type GetAssertionRequest struct {
	ClientDataHash []byte
	RPID           string
	Allow          [][]byte // credential IDs; empty: whatever the key finds for the RP ID

	// Salts ask for secrets by hmac-secret (CTAP 2.1 §12.5): one or two of 32
	// bytes, unless SaltsByCredential has others for the credential's ID.
	Salts             [][]byte
	SaltsByCredential map[string][][]byte

	// ReadLargeBlob asks for what the key keeps for the credential. WriteLargeBlob, if
	// not nil, replaces it: the request is then to name the one credential in Allow, and
	// a key with a PIN or a sensor writes for a verified user only.
	ReadLargeBlob  bool
	WriteLargeBlob []byte

	// PIN and BuiltInUV are as in [MakeCredentialRequest].
	PIN       []byte
	BuiltInUV bool
}

// Assertion is one signature by one credential.
type Assertion struct {
	CredentialID      []byte
	AuthenticatorData []byte
	Signature         []byte
	Secrets           [][]byte // one for each salt; nil when the credential yields none
	User              User     // zero for a credential that is not discoverable

	LargeBlob      []byte // what was read or written; nil: there is none
	LargeBlobError error  // why not; the assertion is good all the same. Status(0x18): there is no room
	blobKey        []byte // until then
}
