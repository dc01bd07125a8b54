package fido

import (
	"bytes"
	"crypto/subtle"
	"encoding/base64"
	"errors"

	"github.com/go-webauthn/webauthn/protocol"

	"github.com/lakekey/lakekey/internal/strictjson"
)

// The types of client data, §5.8.1.
// https://www.w3.org/TR/webauthn-3/#dom-collectedclientdata-type
const (
	typeCreate = "webauthn.create"
	typeGet    = "webauthn.get"
)

// checkClientData verifies what the client says it did, and returns the origin
// at which it did it.
func (p *RelyingParty) checkClientData(raw []byte, kind string, challenge []byte) (string, error) {
	want := base64.RawURLEncoding.EncodeToString(challenge)
	// The limited verification algorithm, §5.8.1.2, in its strictest form: what a
	// client has serialized as §5.8.1.1 says, without further members, is compared
	// as bytes. Anything else, which may still be right, is parsed.
	// https://www.w3.org/TR/webauthn-3/#clientdatajson-verification
	var buf [512]byte
	for _, o := range p.cfg.Origins {
		b := append(buf[:0], `{"type":"`...)
		b = append(b, kind...)
		b = append(b, `","challenge":"`...)
		b = append(b, want...)
		b = append(b, `","origin":"`...)
		b = append(b, o...)
		b = append(b, `","crossOrigin":false}`...)
		if bytes.Equal(b, raw) {
			return o, nil
		}
	}
	return p.parseClientData(raw, kind, want)
}

func (p *RelyingParty) parseClientData(raw []byte, kind, challenge string) (string, error) {
	spec := specOf(kind)
	c, err := readClientData(raw)
	if err != nil {
		return "", &VerificationError{Check: "client data", Spec: spec, Detail: err.Error()}
	}
	// "Verify that the value of C.type is the string webauthn.get." Otherwise a
	// registration could pass for a sign-in, or the reverse.
	if c.kind != kind {
		return "", &VerificationError{Check: "type", Spec: spec, Detail: "the response is not from " + kind}
	}
	// "Verify that the value of C.challenge equals the base64url encoding of
	// pkOptions.challenge."
	if subtle.ConstantTimeCompare([]byte(c.challenge), []byte(challenge)) != 1 {
		return "", &VerificationError{Check: "challenge", Spec: spec, Detail: "the response answers another challenge"}
	}
	// "Verify that the value of C.crossOrigin and C.topOrigin are expected": no
	// ceremony of ours takes place in a frame of another site.
	if c.crossOrigin || c.topOrigin {
		return "", &VerificationError{Check: "crossOrigin", Spec: spec, Detail: "the ceremony took place in a frame of another origin"}
	}
	// "Verify that the value of C.origin is an origin expected by the Relying Party."
	for _, o := range p.cfg.Origins {
		if c.origin == o {
			return o, nil
		}
	}
	return "", &VerificationError{Check: "origin", Spec: spec, Detail: "the ceremony took place at an origin that is not configured"}
}

type clientData struct {
	kind, challenge, origin string
	crossOrigin, topOrigin  bool
}

func readClientData(raw []byte) (c clientData, err error) {
	var binding []byte
	err = strictjson.Members(raw, func(name, value []byte) error {
		var err error
		switch string(name) {
		case "type":
			c.kind, err = strictjson.Text(value)
		case "challenge":
			c.challenge, err = strictjson.Text(value)
		case "origin":
			c.origin, err = strictjson.Text(value)
		case "crossOrigin":
			switch string(value) {
			case "true":
				c.crossOrigin = true
			case "false":
			default:
				err = errors.New("fido: crossOrigin is not a boolean")
			}
		case "topOrigin":
			c.topOrigin = true
		case "tokenBinding":
			binding = value
		}
		return err
	})
	if err != nil {
		return clientData{}, err
	}
	if binding != nil {
		if err := checkTokenBinding(binding); err != nil {
			return clientData{}, err
		}
	}
	return c, nil
}

// checkTokenBinding handles a member that Level 3 has dropped and old clients
// send. Nobody binds tokens to a TLS connection with us, so "present" is untrue.
// https://www.w3.org/TR/webauthn-2/#dom-collectedclientdata-tokenbinding
func checkTokenBinding(value []byte) error {
	var status string
	err := strictjson.Members(value, func(name, value []byte) (err error) {
		switch string(name) {
		case "status":
			status, err = strictjson.Text(value)
		case "id":
			_, err = strictjson.Text(value)
		}
		return err
	})
	if err == nil && status != string(protocol.Supported) && status != string(protocol.NotSupported) {
		err = errors.New("fido: unexpected tokenBinding")
	}
	return err
}

// Where the checks come from.
const (
	specRegistration = "https://www.w3.org/TR/webauthn-3/#sctn-registering-a-new-credential"
	specAssertion    = "https://www.w3.org/TR/webauthn-3/#sctn-verifying-assertion"
)

func specOf(kind string) string {
	if kind == typeCreate {
		return specRegistration
	}
	return specAssertion
}
