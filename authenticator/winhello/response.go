package winhello

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/fxamacker/cbor/v2"

	"github.com/lakekey/lakekey/authenticator/internal/webauthn"
)

// made and signed are what Windows returned, in Go's memory.
type made struct {
	authData, object []byte
	transport        uint32
	discoverable     *bool // nil: this Windows does not say
}

type signed struct {
	id, authData, signature, user []byte
}

var errMalformed = errors.New("winhello: Windows returned malformed authenticator data")

// aboutRP checks that the data are about the RP ID that was asked for.
func aboutRP(authData []byte, rpID string) error {
	hash := sha256.Sum256([]byte(rpID))
	if len(authData) < 37 || !bytes.Equal(authData[:32], hash[:]) {
		return errMalformed
	}
	return nil
}

func (c *creation) response(m *made) ([]byte, error) {
	if err := aboutRP(m.authData, c.client.RPID); err != nil {
		return nil, err
	}
	const attested = 0x40
	if m.authData[32]&attested == 0 || len(m.authData) < 55 || len(m.object) == 0 {
		return nil, errMalformed
	}
	n, rest := int(binary.BigEndian.Uint16(m.authData[53:])), m.authData[55:]
	if n == 0 || len(rest) < n {
		return nil, errMalformed
	}
	id := rest[:n]
	public, alg, err := publicKey(rest[n:])
	if err != nil {
		return nil, err
	}
	if alg < -1<<31 || alg > 1<<31-1 || !slices.Contains(c.algorithms, int32(alg)) {
		return nil, errMalformed
	}
	attachment, transports := "cross-platform", []string{}
	for _, t := range []struct {
		bit  uint32
		name string
	}{{transportBLE, "ble"}, {transportHybrid, "hybrid"}, {transportInternal, "internal"}, {transportNFC, "nfc"}, {transportUSB, "usb"}} {
		if m.transport&t.bit != 0 {
			transports = append(transports, t.name)
		}
	}
	if m.transport == transportInternal {
		attachment = "platform"
	}
	extensions := map[string]any{}
	if c.credProps && m.discoverable != nil {
		extensions["credProps"] = map[string]any{"rk": *m.discoverable}
	}
	response := webauthn.Registration{
		ID: id, ClientData: c.client, AuthenticatorData: m.authData, AttestationObject: m.object,
		PublicKey: public, Algorithm: alg, Transports: transports, Attachment: attachment, Extensions: extensions,
	}
	return response.JSON()
}

func (a *assertion) response(s *signed) ([]byte, error) {
	if err := aboutRP(s.authData, a.client.RPID); err != nil {
		return nil, err
	}
	if len(s.id) == 0 || len(s.signature) == 0 {
		return nil, errMalformed
	}
	// Windows does not say what kind of authenticator signed.
	response := webauthn.Authentication{
		ID: s.id, ClientData: a.client, AuthenticatorData: s.authData, Signature: s.signature, UserHandle: s.user, Extensions: map[string]any{},
	}
	return response.JSON()
}

// publicKey reads the COSE_Key that data begin with: extensions may follow.
func publicKey(data []byte) (der []byte, alg int, err error) {
	strict := cbor.DecOptions{DupMapKey: cbor.DupMapKeyEnforcedAPF, IndefLength: cbor.IndefLengthForbidden, TagsMd: cbor.TagsForbidden}
	dec, err := strict.DecMode()
	if err != nil {
		return nil, 0, fmt.Errorf("winhello: preparing the codec: %v", err)
	}
	var key cbor.RawMessage
	if _, err := dec.UnmarshalFirst(data, &key); err != nil {
		return nil, 0, errMalformed
	}
	if der, alg, err = webauthn.SubjectPublicKeyInfo(dec, key); err != nil {
		return nil, 0, errMalformed
	}
	return der, alg, nil
}
