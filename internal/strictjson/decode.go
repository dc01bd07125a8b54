package strictjson

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
)

// Text decodes a raw value that must be a string.
func Text(value []byte) (string, error) {
	if len(value) < 2 || value[0] != '"' {
		return "", errors.New("strictjson: not a string")
	}
	if bytes.IndexByte(value, '\\') < 0 {
		return string(value[1 : len(value)-1]), nil
	}
	var s string
	if err := json.Unmarshal(value, &s); err != nil {
		return "", errSyntax
	}
	return s, nil
}

// Base64URL decodes a raw value that must be a string of base64url without
// padding (RFC 4648 §5), in its one canonical spelling: no escapes, no line
// breaks, no bits beyond the last byte.
func Base64URL(value []byte) ([]byte, error) {
	if len(value) < 2 || value[0] != '"' || bytes.IndexByte(value, '\\') >= 0 {
		return nil, errors.New("strictjson: not a string of base64url")
	}
	text := value[1 : len(value)-1]
	out := make([]byte, base64.RawURLEncoding.DecodedLen(len(text)))
	n, err := base64.RawURLEncoding.Strict().Decode(out, text)
	if err != nil {
		return nil, errors.New("strictjson: not base64url without padding")
	}
	return out[:n], nil
}

// Null reports whether a raw value is null.
func Null(value []byte) bool { return string(value) == "null" }
