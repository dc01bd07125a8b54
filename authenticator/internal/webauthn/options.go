package webauthn

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
)

// PublicKey is the one PublicKeyCredentialType there is.
const PublicKey = "public-key"

// maxOptions bounds the options that a relying party sends.
const maxOptions = 1 << 20

type descriptor struct {
	Type string    `json:"type"`
	ID   Base64URL `json:"id"`
}

// CreationOptions is PublicKeyCredentialCreationOptionsJSON, as far as it concerns a
// client. What is not read is ignored, as a browser ignores it.
// https://www.w3.org/TR/webauthn-3/#dictdef-publickeycredentialcreationoptionsjson
type CreationOptions struct {
	RP struct {
		ID   string `json:"id"`
		Name string `json:"name"`
	} `json:"rp"`
	User struct {
		ID          Base64URL `json:"id"`
		Name        string    `json:"name"`
		DisplayName string    `json:"displayName"`
	} `json:"user"`
	Challenge        Base64URL `json:"challenge"`
	PubKeyCredParams []struct {
		Type string `json:"type"`
		Alg  int    `json:"alg"`
	} `json:"pubKeyCredParams"`
	Timeout                float64      `json:"timeout"`
	ExcludeCredentials     []descriptor `json:"excludeCredentials"`
	AuthenticatorSelection struct {
		Attachment         string `json:"authenticatorAttachment"`
		ResidentKey        string `json:"residentKey"`
		RequireResidentKey bool   `json:"requireResidentKey"`
		UserVerification   string `json:"userVerification"`
	} `json:"authenticatorSelection"`
	Attestation string          `json:"attestation"`
	Extensions  json.RawMessage `json:"extensions"` // which ones there are is the caller's matter
}

// RequestOptions is PublicKeyCredentialRequestOptionsJSON.
// https://www.w3.org/TR/webauthn-3/#dictdef-publickeycredentialrequestoptionsjson
type RequestOptions struct {
	Challenge        Base64URL       `json:"challenge"`
	Timeout          float64         `json:"timeout"`
	RPID             string          `json:"rpId"`
	AllowCredentials []descriptor    `json:"allowCredentials"`
	UserVerification string          `json:"userVerification"`
	Extensions       json.RawMessage `json:"extensions"`
}

// Creation is a registration as far as it does not depend on an authenticator.
type Creation struct {
	ClientData
	Options    *CreationOptions
	Algorithms []int    // COSE identifiers; empty: none of a type that there is
	Exclude    [][]byte // credential IDs
	Timeout    time.Duration
}

// ReadCreation reads the options of a registration, bare or as the publicKey member of
// what navigator.credentials.create takes, and decides whether the origin may ask.
// https://www.w3.org/TR/webauthn-3/#sctn-createCredential
func ReadCreation(origin string, data []byte) (*Creation, error) {
	o, err := parse[CreationOptions](data)
	if err != nil {
		return nil, err
	}
	client, err := collect(typeCreate, origin, o.RP.ID, o.Challenge)
	if err != nil {
		return nil, err
	}
	// Step 5: "If the length of options.user.id is not between 1 and 64 bytes
	// (inclusive) then throw a TypeError."
	if len(o.User.ID) == 0 || len(o.User.ID) > 64 {
		return nil, errors.New("authenticator: the options' user.id is not between 1 and 64 bytes long")
	}
	exclude, err := credentialIDs(o.ExcludeCredentials)
	if err != nil {
		return nil, err
	}
	c := &Creation{ClientData: client, Options: &o, Exclude: exclude, Timeout: timeout(o.Timeout)}
	// Step 10: "If pubKeyCredParams' size is zero, append -7 and -257."
	if len(o.PubKeyCredParams) == 0 {
		c.Algorithms = []int{-7, -257}
	}
	for _, p := range o.PubKeyCredParams {
		if p.Type == PublicKey {
			c.Algorithms = append(c.Algorithms, p.Alg)
		}
	}
	return c, nil
}

// Request is a sign-in as far as it does not depend on an authenticator.
type Request struct {
	ClientData
	Options *RequestOptions
	Allow   [][]byte // credential IDs; empty: any, unless NoneUsable
	Timeout time.Duration

	// NoneUsable: there is a list, and nothing of a type that there is on it. That does
	// not turn into no list, which would mean any credential.
	NoneUsable bool
}

// ReadRequest is [ReadCreation] for a sign-in.
// https://www.w3.org/TR/webauthn-3/#sctn-getAssertion
func ReadRequest(origin string, data []byte) (*Request, error) {
	o, err := parse[RequestOptions](data)
	if err != nil {
		return nil, err
	}
	client, err := collect(typeGet, origin, o.RPID, o.Challenge)
	if err != nil {
		return nil, err
	}
	allow, err := credentialIDs(o.AllowCredentials)
	if err != nil {
		return nil, err
	}
	return &Request{
		ClientData: client, Options: &o, Allow: allow, Timeout: timeout(o.Timeout),
		NoneUsable: len(allow) == 0 && len(o.AllowCredentials) > 0,
	}, nil
}

// ReadExtensions reads extension inputs of the caller's kind. On an error v is of no
// use.
func ReadExtensions(inputs json.RawMessage, v any) error {
	if inputs == nil {
		return nil
	}
	return decode(inputs, v)
}

// parse reads options. On an error T is zero.
func parse[T any](data []byte) (T, error) {
	var v, zero T
	if len(data) > maxOptions {
		return zero, errors.New("authenticator: the options are too large")
	}
	var wrapper struct {
		PublicKey json.RawMessage `json:"publicKey"`
	}
	if err := decode(data, &wrapper); err != nil {
		return zero, err
	}
	if wrapper.PublicKey != nil {
		data = wrapper.PublicKey
	}
	if err := decode(data, &v); err != nil {
		return zero, err
	}
	return v, nil
}

func decode(data []byte, v any) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	if err := dec.Decode(v); err != nil {
		return fmt.Errorf("authenticator: the options do not parse: %v", err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return errors.New("authenticator: the options do not parse: something follows them")
	}
	return nil
}

// credentialIDs returns the IDs of a list, without the types that WebAuthn does not
// define: "If it is not a member of PublicKeyCredentialType … ignore".
func credentialIDs(list []descriptor) ([][]byte, error) {
	var ids [][]byte
	for _, d := range list {
		if d.Type != PublicKey {
			continue
		}
		if len(d.ID) == 0 {
			return nil, errors.New("authenticator: the options list a credential without an ID")
		}
		ids = append(ids, d.ID)
	}
	return ids, nil
}

const (
	defaultTimeout = 5 * time.Minute
	minTimeout     = 15 * time.Second
	maxTimeout     = 10 * time.Minute
)

// timeout is the relying party's hint within "a range … defined by the client": so
// short that no one could touch, or so long that a key blinks all day, is not for it
// to say.
func timeout(ms float64) time.Duration {
	if !(ms > 0) {
		return defaultTimeout
	}
	if ms >= float64(maxTimeout/time.Millisecond) {
		return maxTimeout
	}
	return max(minTimeout, time.Duration(ms)*time.Millisecond)
}
