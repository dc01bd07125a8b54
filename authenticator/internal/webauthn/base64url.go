package webauthn

import (
	"encoding/base64"
	"encoding/json"
)

// Base64URL is a Base64URLString: "the Base64URL Encoding … with all trailing '='
// characters omitted" (https://www.w3.org/TR/webauthn-3/#base64url-encoding).
type Base64URL []byte

// UnmarshalJSON implements json.Unmarshaler.
func (b *Base64URL) UnmarshalJSON(data []byte) error {
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

// MarshalJSON implements json.Marshaler.
func (b Base64URL) MarshalJSON() ([]byte, error) {
	return json.Marshal(base64.RawURLEncoding.EncodeToString(b))
}
