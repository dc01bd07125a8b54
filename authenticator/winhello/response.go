package winhello

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"slices"

	"github.com/fxamacker/cbor/v2"
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

type credentialJSON struct {
	ID         base64URL      `json:"id"`
	RawID      base64URL      `json:"rawId"`
	Response   any            `json:"response"`
	Attachment string         `json:"authenticatorAttachment,omitempty"`
	Extensions map[string]any `json:"clientExtensionResults"`
	Type       string         `json:"type"`
}

type attestationJSON struct {
	ClientDataJSON     base64URL `json:"clientDataJSON"`
	AuthenticatorData  base64URL `json:"authenticatorData"`
	Transports         []string  `json:"transports"`
	PublicKey          base64URL `json:"publicKey,omitempty"`
	PublicKeyAlgorithm int       `json:"publicKeyAlgorithm"`
	AttestationObject  base64URL `json:"attestationObject"`
}

type assertionJSON struct {
	ClientDataJSON    base64URL `json:"clientDataJSON"`
	AuthenticatorData base64URL `json:"authenticatorData"`
	Signature         base64URL `json:"signature"`
	UserHandle        base64URL `json:"userHandle,omitempty"`
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
	public, alg, err := subjectPublicKeyInfo(rest[n:])
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
	return marshal(&credentialJSON{ID: id, RawID: id, Attachment: attachment, Extensions: extensions, Type: publicKeyType, Response: attestationJSON{
		ClientDataJSON: c.client.JSON, AuthenticatorData: m.authData, Transports: transports,
		PublicKey: public, PublicKeyAlgorithm: alg, AttestationObject: m.object,
	}})
}

func (a *assertion) response(s *signed) ([]byte, error) {
	if err := aboutRP(s.authData, a.client.RPID); err != nil {
		return nil, err
	}
	if len(s.id) == 0 || len(s.signature) == 0 {
		return nil, errMalformed
	}
	return marshal(&credentialJSON{ID: s.id, RawID: s.id, Extensions: map[string]any{}, Type: publicKeyType, Response: assertionJSON{
		ClientDataJSON: a.client.JSON, AuthenticatorData: s.authData, Signature: s.signature, UserHandle: s.user,
	}})
}

func marshal(c *credentialJSON) ([]byte, error) {
	out, err := json.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("winhello: encoding the response: %v", err)
	}
	return out, nil
}

// coseKey is a COSE_Key, RFC 9052 §7.1 and RFC 9053 §7.
type coseKey struct {
	Type  int             `cbor:"1,keyasint"`
	Alg   int             `cbor:"3,keyasint"`
	Curve cbor.RawMessage `cbor:"-1,keyasint"` // for RSA: the modulus
	X     []byte          `cbor:"-2,keyasint"` // for RSA: the exponent
	Y     []byte          `cbor:"-3,keyasint"`
}

// subjectPublicKeyInfo is getPublicKey() of the algorithms for which it must work,
// https://www.w3.org/TR/webauthn-3/#sctn-public-key-easy; nil for others.
func subjectPublicKeyInfo(data []byte) (der []byte, alg int, err error) {
	var key coseKey
	if _, err := cbor.UnmarshalFirst(data, &key); err != nil || key.Alg == 0 {
		return nil, 0, errMalformed
	}
	var public any
	switch {
	case key.Type == 2 && key.Alg == -7 && bytes.Equal(key.Curve, []byte{1}) && len(key.X) == 32 && len(key.Y) == 32:
		public, err = ecdsa.ParseUncompressedPublicKey(elliptic.P256(), slices.Concat([]byte{4}, key.X, key.Y))
	case key.Type == 1 && key.Alg == -8 && bytes.Equal(key.Curve, []byte{6}) && len(key.X) == ed25519.PublicKeySize:
		public = ed25519.PublicKey(key.X)
	case key.Type == 3 && key.Alg == -257:
		var modulus []byte
		err = cbor.Unmarshal(key.Curve, &modulus)
		exponent := new(big.Int).SetBytes(key.X)
		if err != nil || len(modulus) < 256 || !exponent.IsInt64() || exponent.Int64() < 3 || exponent.Int64() > 1<<31-1 {
			return nil, 0, errMalformed
		}
		public = &rsa.PublicKey{N: new(big.Int).SetBytes(modulus), E: int(exponent.Int64())}
	case key.Alg == -7, key.Alg == -8, key.Alg == -257:
		return nil, 0, errMalformed
	default:
		return nil, key.Alg, nil
	}
	if err != nil {
		return nil, 0, errMalformed
	}
	if der, err = x509.MarshalPKIXPublicKey(public); err != nil {
		return nil, 0, errMalformed
	}
	return der, key.Alg, nil
}
