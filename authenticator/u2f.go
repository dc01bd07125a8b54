package authenticator

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/asn1"
	"encoding/binary"
	"fmt"
	"slices"
	"time"
)

// A key that knows only U2F, spoken to as CTAP 2.1 §7 maps the two:
// https://fidoalliance.org/specs/fido-v2.1-ps-20210615/fido-client-to-authenticator-protocol-v2.1-ps-errata-20220621.html#u2f-interoperability
// The messages are those of the FIDO U2F Raw Message Formats v1.2.
type u2f struct{ transport U2FTransport }

const (
	u2fRegister     = 0x01
	u2fAuthenticate = 0x02

	u2fCheckOnly = 0x07 // P1: is the key handle yours?
	u2fSign      = 0x03 // P1: enforce user presence and sign

	u2fOK        = 0x9000
	u2fUntouched = 0x6985 // SW_CONDITIONS_NOT_SATISFIED
	u2fUnknown   = 0x6A80 // SW_WRONG_DATA: not one of its key handles

	// A U2F key does not wait for a touch: it is asked again and again.
	u2fPoll = 100 * time.Millisecond

	u2fVersion = "U2F_V2"
)

// u2fInfo is what such a key would say of itself.
func u2fInfo() *Info {
	return &Info{Versions: []string{u2fVersion}, Options: map[string]bool{"up": true}, Algorithms: []int{-7}, RemainingCredentials: -1}
}

// send returns the answer without its status word.
func (k *u2f) send(ctx context.Context, ins, p1 byte, data []byte) ([]byte, int, error) {
	apdu := []byte{0, ins, p1, 0, 0}
	apdu = binary.BigEndian.AppendUint16(apdu, uint16(len(data)))
	apdu = append(append(apdu, data...), 0, 0)
	if err := ctx.Err(); err != nil {
		return nil, 0, fmt.Errorf("authenticator: %w", err)
	}
	response, err := k.transport.MSG(ctx, apdu)
	if err != nil {
		return nil, 0, err
	}
	if len(response) < 2 || len(response) > maxResponse {
		return nil, 0, malformed("a U2F response")
	}
	n := len(response) - 2
	return response[:n], int(binary.BigEndian.Uint16(response[n:])), nil
}

// untilTouched repeats a command until the key was touched.
func (k *u2f) untilTouched(ctx context.Context, ins, p1 byte, data []byte) ([]byte, error) {
	for {
		response, sw, err := k.send(ctx, ins, p1, data)
		switch {
		case err != nil:
			return nil, err
		case sw == u2fOK:
			return response, nil
		case sw == u2fUnknown:
			return nil, ErrNoCredentials
		case sw != u2fUntouched:
			return nil, fmt.Errorf("authenticator: the key answered U2F status 0x%04X", sw)
		}
		select {
		case <-time.After(u2fPoll):
		case <-ctx.Done():
			return nil, fmt.Errorf("authenticator: %w", ctx.Err())
		}
	}
}

// touch waits for a touch by a registration that nobody will use: U2F has no other
// command for it.
func (k *u2f) touch(ctx context.Context) error {
	nobody := bytes.Repeat([]byte{0x41}, 2*sha256.Size)
	_, err := k.untilTouched(ctx, u2fRegister, 0, nobody)
	return err
}

// own returns the first of the key handles that is the key's, one by one since U2F
// knows no lists.
func (k *u2f) own(ctx context.Context, rpID string, ids [][]byte) ([]byte, error) {
	for _, id := range ids {
		if len(id) == 0 || len(id) > 255 {
			continue
		}
		_, sw, err := k.send(ctx, u2fAuthenticate, u2fCheckOnly, u2fHandle(make([]byte, 32), rpID, id))
		if err != nil {
			return nil, err
		}
		if sw == u2fUntouched || sw == u2fOK {
			return id, nil
		}
	}
	return nil, nil
}

// u2fHandle is an authentication request message.
func u2fHandle(hash []byte, rpID string, id []byte) []byte {
	application := sha256.Sum256([]byte(rpID))
	return slices.Concat(hash, application[:], []byte{byte(len(id))}, id)
}

func (k *u2f) makeCredential(ctx context.Context, codec *ctapCBOR, req *MakeCredentialRequest) (*MakeCredentialResult, error) {
	switch {
	case req.PIN != nil, req.BuiltInUV:
		return nil, ErrPINNotSet
	case req.Discoverable:
		return nil, statusUnsupportedOption
	case !slices.Contains(req.Algorithms, -7):
		return nil, ErrUnsupportedAlgorithm
	}
	excluded, err := k.own(ctx, req.RPID, req.Exclude)
	if err != nil {
		return nil, err
	}
	if excluded != nil {
		if err := k.touch(ctx); err != nil {
			return nil, err
		}
		return nil, ErrExcluded
	}
	application := sha256.Sum256([]byte(req.RPID))
	response, err := k.untilTouched(ctx, u2fRegister, 0, slices.Concat(req.ClientDataHash, application[:]))
	if err != nil {
		return nil, err
	}
	return parseU2FRegistration(codec, response, application)
}

// parseU2FRegistration turns a registration response into what a CTAP2 key answers:
// the attestation statement format fido-u2f
// (https://www.w3.org/TR/webauthn-3/#sctn-fido-u2f-attestation).
func parseU2FRegistration(codec *ctapCBOR, data []byte, application [32]byte) (*MakeCredentialResult, error) {
	const reserved, point = 0x05, 65
	if len(data) < 1+point+1 || data[0] != reserved || data[1] != 0x04 {
		return nil, malformed("a U2F registration")
	}
	public, rest := data[1:1+point], data[1+point:]
	n := int(rest[0])
	if n == 0 || len(rest) < 1+n {
		return nil, malformed("a U2F key handle")
	}
	id, rest := rest[1:1+n], rest[1+n:]
	var certificate asn1.RawValue
	signature, err := asn1.Unmarshal(rest, &certificate)
	if err != nil || len(signature) == 0 {
		return nil, malformed("a U2F attestation certificate")
	}
	key, err := codec.enc.Marshal(coseKey{Type: 2, Alg: -7, Curve: 1, X: public[1:33], Y: public[33:]})
	if err != nil {
		return nil, malformed("a public key")
	}
	authData := append(application[:], flagUP|flagAT, 0, 0, 0, 0)
	authData = append(authData, make([]byte, 16)...) // no AAGUID
	authData = binary.BigEndian.AppendUint16(authData, uint16(n))
	authData = slices.Concat(authData, id, key)
	statement, err := codec.enc.Marshal(map[string]any{"sig": signature, "x5c": [][]byte{certificate.FullBytes}})
	if err != nil {
		return nil, malformed("a U2F attestation")
	}
	return &MakeCredentialResult{CredentialID: id, AuthenticatorData: authData, Format: "fido-u2f", AttestationStatement: statement}, nil
}

func (k *u2f) getAssertion(ctx context.Context, req *GetAssertionRequest) ([]Assertion, error) {
	if req.PIN != nil || req.BuiltInUV {
		return nil, ErrPINNotSet
	}
	id, err := k.own(ctx, req.RPID, req.Allow)
	if err != nil {
		return nil, err
	}
	if id == nil {
		return nil, ErrNoCredentials
	}
	response, err := k.untilTouched(ctx, u2fAuthenticate, u2fSign, u2fHandle(req.ClientDataHash, req.RPID, id))
	if err != nil {
		return nil, err
	}
	return parseU2FSignature(response, req.RPID, id)
}

func parseU2FSignature(data []byte, rpID string, id []byte) ([]Assertion, error) {
	const header = 1 + 4 // user presence and counter
	if len(data) <= header || data[0]&flagUP == 0 {
		return nil, malformed("a U2F signature")
	}
	application := sha256.Sum256([]byte(rpID))
	authData := append(append(application[:], flagUP), data[1:header]...)
	return []Assertion{{CredentialID: id, AuthenticatorData: authData, Signature: data[header:]}}, nil
}
