package databrickstest

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// maxDepth bounds the nesting of JSON that strangers send.
const maxDepth = 32

// decodeStrict decodes one JSON value into v. It refuses what encoding/json lets
// pass and two readers may read differently: members named twice, also when
// they differ only in case, and text after the value.
//
// RFC 7519 section 4: "The Claim Names within a JWT Claims Set MUST be unique;
// JWT parsers MUST either reject JWTs with duplicate Claim Names or use a JSON
// parser that returns only the lexically last duplicate member name".
// https://www.rfc-editor.org/rfc/rfc7519#section-4
func decodeStrict(text []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := checkMembers(d, 0); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("there is text after the JSON value")
	}
	d = json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(v); err != nil {
		return errors.New("a JSON member has the wrong type")
	}
	return nil
}

// checkMembers reads one value from d and refuses members named twice.
func checkMembers(d *json.Decoder, depth int) error {
	if depth > maxDepth {
		return errors.New("the JSON is nested too deeply")
	}
	token, err := d.Token()
	if err != nil {
		return errors.New("the text is not JSON")
	}
	delim, compound := token.(json.Delim)
	if !compound {
		return nil
	}
	seen := map[string]bool{}
	for d.More() {
		if delim == '{' {
			name, err := d.Token()
			if err != nil {
				return errors.New("the text is not JSON")
			}
			// encoding/json matches members to fields without regard to case, so
			// "sub" and "Sub" would be one field.
			folded := string(bytes.ToLower([]byte(name.(string))))
			if seen[folded] {
				return fmt.Errorf("the JSON member %.40q is there twice", name)
			}
			seen[folded] = true
		}
		if err := checkMembers(d, depth+1); err != nil {
			return err
		}
	}
	if _, err := d.Token(); err != nil {
		return errors.New("the text is not JSON")
	}
	return nil
}

// base64URL decodes what RFC 7515 section 2 calls base64url: "with all trailing
// '=' characters omitted […] and without the inclusion of any line breaks,
// whitespace, or other additional characters". Package base64 alone would skip
// line breaks, and one signature would have many texts.
func base64URL(s string) ([]byte, bool) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	return b, err == nil && !strings.ContainsAny(s, "\r\n")
}
