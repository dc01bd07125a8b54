package authenticator

import (
	"github.com/fxamacker/cbor/v2"

	"github.com/lakekey/lakekey/authenticator/internal/webauthn"
)

// The messages of CTAP 2.1 §6, each with the integer keys the specification gives
// its members.

const (
	cmdMakeCredential   = 0x01
	cmdGetAssertion     = 0x02
	cmdGetInfo          = 0x04
	cmdClientPIN        = 0x06
	cmdReset            = 0x07
	cmdGetNextAssertion = 0x08
	cmdBio              = 0x09
	cmdCredentials      = 0x0A
	cmdSelection        = 0x0B
	cmdLargeBlobs       = 0x0C
	cmdConfig           = 0x0D

	// What keys between CTAP 2.0 and 2.1 know of these two ("FIDO_2_1_PRE").
	cmdBioPreview         = 0x40
	cmdCredentialsPreview = 0x41
)

const publicKeyType = webauthn.PublicKey

type wireRP struct {
	ID   string `cbor:"id"`
	Name string `cbor:"name,omitempty"`
}

type wireUser struct {
	ID          []byte `cbor:"id"`
	Name        string `cbor:"name,omitempty"`
	DisplayName string `cbor:"displayName,omitempty"`
}

type wireDescriptor struct {
	ID   []byte `cbor:"id"`
	Type string `cbor:"type"`
}

func wireDescriptors(ids [][]byte) []wireDescriptor {
	var list []wireDescriptor
	for _, id := range ids {
		list = append(list, wireDescriptor{ID: id, Type: publicKeyType})
	}
	return list
}

type wireAlgorithm struct {
	Alg  int    `cbor:"alg"`
	Type string `cbor:"type"`
}

type wireCreation struct {
	ClientDataHash []byte           `cbor:"1,keyasint"`
	RP             wireRP           `cbor:"2,keyasint"`
	User           wireUser         `cbor:"3,keyasint"`
	Algorithms     []wireAlgorithm  `cbor:"4,keyasint"`
	Exclude        []wireDescriptor `cbor:"5,keyasint,omitempty"`
	Extensions     map[string]any   `cbor:"6,keyasint,omitempty"`
	Options        map[string]bool  `cbor:"7,keyasint,omitempty"`
	PINAuth        []byte           `cbor:"8,keyasint,omitempty"`
	PINProtocol    int              `cbor:"9,keyasint,omitempty"`
}

// wireSelection is a makeCredential with an empty pinUvAuthParam: how a key without
// authenticatorSelection is asked for a touch.
type wireSelection struct {
	ClientDataHash []byte          `cbor:"1,keyasint"`
	RP             wireRP          `cbor:"2,keyasint"`
	User           wireUser        `cbor:"3,keyasint"`
	Algorithms     []wireAlgorithm `cbor:"4,keyasint"`
	PINAuth        []byte          `cbor:"8,keyasint"`
	PINProtocol    int             `cbor:"9,keyasint"`
}

type wireCreated struct {
	Format    string          `cbor:"1,keyasint"`
	AuthData  []byte          `cbor:"2,keyasint"`
	Statement cbor.RawMessage `cbor:"3,keyasint"`
	BlobKey   []byte          `cbor:"5,keyasint"`
}

type wireAssertionRequest struct {
	RPID           string           `cbor:"1,keyasint"`
	ClientDataHash []byte           `cbor:"2,keyasint"`
	Allow          []wireDescriptor `cbor:"3,keyasint,omitempty"`
	Extensions     map[string]any   `cbor:"4,keyasint,omitempty"`
	Options        map[string]bool  `cbor:"5,keyasint,omitempty"`
	PINAuth        []byte           `cbor:"6,keyasint,omitempty"`
	PINProtocol    int              `cbor:"7,keyasint,omitempty"`
}

type wireAssertion struct {
	Credential *wireDescriptor `cbor:"1,keyasint"`
	AuthData   []byte          `cbor:"2,keyasint"`
	Signature  []byte          `cbor:"3,keyasint"`
	User       *wireUser       `cbor:"4,keyasint"`
	Total      int             `cbor:"5,keyasint"`
	BlobKey    []byte          `cbor:"7,keyasint"`
}

type wireInfo struct {
	Versions             []string        `cbor:"1,keyasint"`
	Extensions           []string        `cbor:"2,keyasint"`
	AAGUID               []byte          `cbor:"3,keyasint"`
	Options              map[string]bool `cbor:"4,keyasint"`
	MaxMessageSize       int             `cbor:"5,keyasint"`
	PINProtocols         []int           `cbor:"6,keyasint"`
	MaxCredentialCount   int             `cbor:"7,keyasint"`
	MaxCredentialID      int             `cbor:"8,keyasint"`
	Transports           []string        `cbor:"9,keyasint"`
	Algorithms           []wireAlgorithm `cbor:"10,keyasint"`
	MaxLargeBlobs        int             `cbor:"11,keyasint"`
	ForcePINChange       bool            `cbor:"12,keyasint"`
	MinPINLength         int             `cbor:"13,keyasint"`
	FirmwareVersion      int             `cbor:"14,keyasint"`
	UVAttempts           int             `cbor:"17,keyasint"`
	RemainingCredentials *int            `cbor:"20,keyasint"`
}

// coseKey is a key agreement key (CTAP 2.1 §6.5.6).
type coseKey struct {
	Type  int    `cbor:"1,keyasint"`
	Alg   int    `cbor:"3,keyasint"`
	Curve int    `cbor:"-1,keyasint"`
	X     []byte `cbor:"-2,keyasint"`
	Y     []byte `cbor:"-3,keyasint"`
}

// Subcommands of authenticatorClientPIN.
const (
	subGetPINRetries   = 0x01
	subGetKeyAgreement = 0x02
	subSetPIN          = 0x03
	subChangePIN       = 0x04
	subGetPINToken     = 0x05
	subTokenByUV       = 0x06
	subGetUVRetries    = 0x07
	subTokenByPIN      = 0x09
)

type wireClientPIN struct {
	Protocol     int      `cbor:"1,keyasint,omitempty"`
	Subcommand   int      `cbor:"2,keyasint"`
	KeyAgreement *coseKey `cbor:"3,keyasint,omitempty"`
	Proof        []byte   `cbor:"4,keyasint,omitempty"`
	NewPIN       []byte   `cbor:"5,keyasint,omitempty"`
	PINHash      []byte   `cbor:"6,keyasint,omitempty"`
	Permissions  int      `cbor:"9,keyasint,omitempty"`
	RPID         string   `cbor:"10,keyasint,omitempty"`
}

type wireClientPINResult struct {
	KeyAgreement *coseKey `cbor:"1,keyasint"`
	Token        []byte   `cbor:"2,keyasint"`
	Retries      *int     `cbor:"3,keyasint"`
	PowerCycle   bool     `cbor:"4,keyasint"`
	UVRetries    *int     `cbor:"5,keyasint"`
}

// wireAlgorithmOf is what of a COSE_Key tells its algorithm, RFC 9052 §7.1.
type wireAlgorithmOf struct {
	Alg int `cbor:"3,keyasint"`
}
