package authenticator

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"

	"github.com/fxamacker/cbor/v2"
)

// Flags of the authenticator data,
// https://www.w3.org/TR/webauthn-3/#authdata-flags
const (
	flagUP byte = 1 << 0
	flagUV byte = 1 << 2
	flagAT byte = 1 << 6
	flagED byte = 1 << 7
)

// authData is parsed authenticator data, https://www.w3.org/TR/webauthn-3/#sctn-authenticator-data
type authData struct {
	rpIDHash     [32]byte
	flags        byte
	signCount    uint32
	aaguid       [16]byte // the rest only with flagAT
	credentialID []byte
	publicKey    []byte // COSE_Key
	extensions   map[string]cbor.RawMessage
}

// parseAuthData reads authenticator data to its last byte.
func parseAuthData(codec *ctapCBOR, data []byte) (*authData, error) {
	if len(data) < 37 {
		return nil, malformed("authenticator data")
	}
	a := &authData{rpIDHash: [32]byte(data), flags: data[32], signCount: binary.BigEndian.Uint32(data[33:])}
	rest := data[37:]
	if a.flags&flagAT != 0 {
		if len(rest) < 18 {
			return nil, malformed("attested credential data")
		}
		a.aaguid = [16]byte(rest)
		n := int(binary.BigEndian.Uint16(rest[16:]))
		rest = rest[18:]
		// "Credential ID length … MUST be ≤ 1023."
		if n == 0 || n > 1023 || n > len(rest) {
			return nil, malformed("a credential ID")
		}
		a.credentialID, rest = rest[:n:n], rest[n:]
		var key cbor.RawMessage
		after, err := codec.dec.UnmarshalFirst(rest, &key)
		if err != nil {
			return nil, malformed("a public key")
		}
		a.publicKey, rest = key, after
	}
	if a.flags&flagED != 0 {
		var extensions map[string]cbor.RawMessage
		after, err := codec.dec.UnmarshalFirst(rest, &extensions)
		if err != nil {
			return nil, malformed("extension data")
		}
		a.extensions, rest = extensions, after
	}
	if len(rest) != 0 {
		return nil, malformed("authenticator data")
	}
	return a, nil
}

// check holds authenticator data against what was asked for. A key that signs for
// another relying party, or that did not verify the user though it was told to, is
// broken or not the key it was taken for.
func (a *authData) check(rpID string, attested, verified bool) error {
	hash := sha256.Sum256([]byte(rpID))
	switch {
	case !bytes.Equal(a.rpIDHash[:], hash[:]):
		return malformed("authenticator data for another RP ID")
	case a.flags&flagUP == 0:
		return malformed("authenticator data without a touch")
	case verified && a.flags&flagUV == 0:
		return malformed("authenticator data without user verification")
	case attested != (a.flags&flagAT != 0):
		return malformed("authenticator data of another kind")
	default:
		return nil
	}
}
