package authenticator

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
)

// maxOptions bounds the options that a relying party sends.
const maxOptions = 1 << 20

// base64URL is a Base64URLString: "the Base64URL Encoding … with all trailing '='
// characters omitted" (https://www.w3.org/TR/webauthn-3/#base64url-encoding).
type base64URL []byte

func (b *base64URL) UnmarshalJSON(data []byte) error {
	var s string
	if err := json.Unmarshal(data, &s); err != nil {
		return err
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil {
		return err
	}
	*b = raw
	return nil
}

func (b base64URL) MarshalJSON() ([]byte, error) {
	return json.Marshal(base64.RawURLEncoding.EncodeToString(b))
}

type descriptorJSON struct {
	Type string    `json:"type"`
	ID   base64URL `json:"id"`
}

// creationOptions is PublicKeyCredentialCreationOptionsJSON, as far as it concerns a
// security key. What is not read is ignored, as a browser ignores it.
// https://www.w3.org/TR/webauthn-3/#dictdef-publickeycredentialcreationoptionsjson
type creationOptions struct {
	RP struct {
		ID   string `json:"id"`
		Name string `json:"name"`
	} `json:"rp"`
	User struct {
		ID          base64URL `json:"id"`
		Name        string    `json:"name"`
		DisplayName string    `json:"displayName"`
	} `json:"user"`
	Challenge        base64URL `json:"challenge"`
	PubKeyCredParams []struct {
		Type string `json:"type"`
		Alg  int    `json:"alg"`
	} `json:"pubKeyCredParams"`
	Timeout                float64          `json:"timeout"`
	ExcludeCredentials     []descriptorJSON `json:"excludeCredentials"`
	AuthenticatorSelection struct {
		Attachment         string `json:"authenticatorAttachment"`
		ResidentKey        string `json:"residentKey"`
		RequireResidentKey bool   `json:"requireResidentKey"`
		UserVerification   string `json:"userVerification"`
	} `json:"authenticatorSelection"`
	Attestation string `json:"attestation"`
	Extensions  struct {
		CredProps          bool       `json:"credProps"`
		CredProtect        string     `json:"credentialProtectionPolicy"`
		EnforceCredProtect bool       `json:"enforceCredentialProtectionPolicy"`
		MinPINLength       bool       `json:"minPinLength"`
		PRF                *prfInputs `json:"prf"`
	} `json:"extensions"`
}

// requestOptions is PublicKeyCredentialRequestOptionsJSON.
// https://www.w3.org/TR/webauthn-3/#dictdef-publickeycredentialrequestoptionsjson
type requestOptions struct {
	Challenge        base64URL        `json:"challenge"`
	Timeout          float64          `json:"timeout"`
	RPID             string           `json:"rpId"`
	AllowCredentials []descriptorJSON `json:"allowCredentials"`
	UserVerification string           `json:"userVerification"`
	Extensions       struct {
		PRF *prfInputs `json:"prf"`
	} `json:"extensions"`
}

// parseOptions reads options, bare or as the publicKey member of what
// navigator.credentials takes. On an error T is zero.
func parseOptions[T any](data []byte) (T, error) {
	var v, zero T
	if len(data) > maxOptions {
		return zero, errors.New("authenticator: the options are too large")
	}
	var wrapper struct {
		PublicKey json.RawMessage `json:"publicKey"`
	}
	if err := decodeJSON(data, &wrapper); err != nil {
		return zero, err
	}
	if wrapper.PublicKey != nil {
		data = wrapper.PublicKey
	}
	if err := decodeJSON(data, &v); err != nil {
		return zero, err
	}
	return v, nil
}

func decodeJSON(data []byte, v any) error {
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
func credentialIDs(list []descriptorJSON) ([][]byte, error) {
	var ids [][]byte
	for _, d := range list {
		if d.Type != publicKeyType {
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

// ceremonyTimeout is the relying party's hint within "a range … defined by the
// client": so short that no one could touch, or so long that a key blinks all day,
// is not for it to say.
func ceremonyTimeout(ms float64) time.Duration {
	if !(ms > 0) {
		return defaultTimeout
	}
	if ms >= float64(maxTimeout/time.Millisecond) {
		return maxTimeout
	}
	return max(minTimeout, time.Duration(ms)*time.Millisecond)
}
