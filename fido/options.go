package fido

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"
)

// b64 is a byte string in WebAuthn's JSON: base64url without padding.
type b64 []byte

func (b b64) MarshalText() ([]byte, error) {
	return base64.RawURLEncoding.AppendEncode(nil, b), nil
}

// https://www.w3.org/TR/webauthn-3/#dictdef-publickeycredentialcreationoptionsjson
type creationOptions struct {
	RP struct {
		ID   string `json:"id"`
		Name string `json:"name"`
	} `json:"rp"`
	User struct {
		ID          b64    `json:"id"`
		Name        string `json:"name"`
		DisplayName string `json:"displayName"`
	} `json:"user"`
	Challenge              b64               `json:"challenge"`
	PubKeyCredParams       []credentialParam `json:"pubKeyCredParams"`
	Timeout                int64             `json:"timeout"`
	ExcludeCredentials     []credentialRef   `json:"excludeCredentials"`
	AuthenticatorSelection map[string]any    `json:"authenticatorSelection"`
	Attestation            string            `json:"attestation"`
	Extensions             map[string]bool   `json:"extensions"`
}

// https://www.w3.org/TR/webauthn-3/#dictdef-publickeycredentialrequestoptionsjson
type requestOptions struct {
	Challenge        b64             `json:"challenge"`
	Timeout          int64           `json:"timeout"`
	RPID             string          `json:"rpId"`
	AllowCredentials []credentialRef `json:"allowCredentials"`
	UserVerification string          `json:"userVerification"`
}

type credentialParam struct {
	Type string    `json:"type"`
	Alg  Algorithm `json:"alg"`
}

type credentialRef struct {
	Type       string   `json:"type"`
	ID         b64      `json:"id"`
	Transports []string `json:"transports,omitempty"`
}

const publicKeyType = "public-key"

func references(credentials []Credential) []credentialRef {
	refs := make([]credentialRef, 0, len(credentials))
	for _, c := range credentials {
		refs = append(refs, credentialRef{Type: publicKeyType, ID: c.ID, Transports: c.Transports})
	}
	return refs
}

func (p *RelyingParty) creationOptions(u User, challenge []byte, exclude []Credential) (json.RawMessage, error) {
	var o creationOptions
	o.RP.ID, o.RP.Name = p.cfg.ID, p.cfg.Name
	o.User.ID, o.User.Name, o.User.DisplayName = u.Handle, u.Name, u.DisplayName
	o.Challenge = challenge
	for _, a := range p.cfg.Algorithms {
		o.PubKeyCredParams = append(o.PubKeyCredParams, credentialParam{publicKeyType, a})
	}
	o.Timeout = p.cfg.CeremonyTimeout.Milliseconds()
	o.ExcludeCredentials = references(exclude)
	// Discoverable where the key has room for it: then signing in needs no name.
	o.AuthenticatorSelection = map[string]any{
		"residentKey": "preferred", "requireResidentKey": false, "userVerification": p.cfg.UserVerification,
	}
	o.Attestation = p.cfg.Attestation
	o.Extensions = map[string]bool{"credProps": true}
	return encode(o)
}

func (p *RelyingParty) requestOptions(challenge []byte, allow []credentialRef) (json.RawMessage, error) {
	return encode(requestOptions{
		Challenge: challenge, Timeout: p.cfg.CeremonyTimeout.Milliseconds(), RPID: p.cfg.ID,
		AllowCredentials: allow, UserVerification: p.cfg.UserVerification,
	})
}

func encode(options any) (json.RawMessage, error) {
	b, err := json.Marshal(options)
	if err != nil {
		return nil, fmt.Errorf("fido: encoding options: %v", err)
	}
	return b, nil
}

// newCeremony returns the record and the client's half of a ceremony that begins
// now. The challenge has 32 bytes; §13.4.3 asks for at least 16.
// https://www.w3.org/TR/webauthn-3/#sctn-cryptographic-challenges
func (p *RelyingParty) newCeremony(purpose Purpose, remoteAddr string, now time.Time) (CeremonyRecord, *Ceremony) {
	id, expires := newToken(), now.Add(p.cfg.CeremonyTimeout)
	return CeremonyRecord{
		ID: hashToken(id), Purpose: purpose, Challenge: random32(), UserVerification: p.cfg.UserVerification,
		RemoteAddr: remoteAddr, Expires: expires,
	}, &Ceremony{ID: id, Expires: expires}
}
