package webauthn

import (
	"encoding/json"
	"fmt"
)

// Registration is RegistrationResponseJSON,
// https://www.w3.org/TR/webauthn-3/#dictdef-registrationresponsejson.
type Registration struct {
	ID                []byte
	ClientData        ClientData
	AuthenticatorData []byte
	AttestationObject []byte // CBOR
	PublicKey         []byte // DER SubjectPublicKeyInfo, see SubjectPublicKeyInfo
	Algorithm         int    // COSE identifier
	Transports        []string
	Attachment        string
	Extensions        map[string]any
}

// Authentication is AuthenticationResponseJSON,
// https://www.w3.org/TR/webauthn-3/#dictdef-authenticationresponsejson.
type Authentication struct {
	ID                []byte
	ClientData        ClientData
	AuthenticatorData []byte
	Signature         []byte
	UserHandle        []byte // nil: none
	Attachment        string // "": not known
	Extensions        map[string]any
}

type credentialJSON struct {
	ID         Base64URL      `json:"id"`
	RawID      Base64URL      `json:"rawId"`
	Response   any            `json:"response"`
	Attachment string         `json:"authenticatorAttachment,omitempty"`
	Extensions map[string]any `json:"clientExtensionResults"`
	Type       string         `json:"type"`
}

// JSON encodes the response.
func (r *Registration) JSON() ([]byte, error) {
	return encode(r.ID, r.Attachment, r.Extensions, struct {
		ClientDataJSON     Base64URL `json:"clientDataJSON"`
		AuthenticatorData  Base64URL `json:"authenticatorData"`
		Transports         []string  `json:"transports"`
		PublicKey          Base64URL `json:"publicKey,omitempty"`
		PublicKeyAlgorithm int       `json:"publicKeyAlgorithm"`
		AttestationObject  Base64URL `json:"attestationObject"`
	}{r.ClientData.JSON, r.AuthenticatorData, r.Transports, r.PublicKey, r.Algorithm, r.AttestationObject})
}

// JSON encodes the response.
func (a *Authentication) JSON() ([]byte, error) {
	return encode(a.ID, a.Attachment, a.Extensions, struct {
		ClientDataJSON    Base64URL `json:"clientDataJSON"`
		AuthenticatorData Base64URL `json:"authenticatorData"`
		Signature         Base64URL `json:"signature"`
		UserHandle        Base64URL `json:"userHandle,omitempty"`
	}{a.ClientData.JSON, a.AuthenticatorData, a.Signature, a.UserHandle})
}

func encode(id []byte, attachment string, extensions map[string]any, response any) ([]byte, error) {
	out, err := json.Marshal(credentialJSON{
		ID: id, RawID: id, Response: response, Attachment: attachment, Extensions: extensions, Type: PublicKey,
	})
	if err != nil {
		return nil, fmt.Errorf("authenticator: encoding the response: %v", err)
	}
	return out, nil
}
