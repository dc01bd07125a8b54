package issuer

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"unicode/utf8"
)

const (
	maxBody       = 64 << 10
	maxParameters = 64
	maxIdentifier = 255 // of client_id and audience
	maxText       = 512 // of a nonce or login hint
	maxName       = 128 // of a client, in bytes
)

// form is a request's parameters: each at most once, none empty.
type form map[string]string

// readForm reads a body of at most 64 KiB in the one content type that the
// endpoints take (RFC 6749 Appendix B). Parameters in the URL are not looked
// at: secrets in a URL end up in logs (RFC 6749 §2.3.1).
func readForm(w http.ResponseWriter, r *http.Request) (form, error) {
	// Naming the type keeps other sites' pages from posting here unasked: it is
	// theirs to send, but then Origin is set, and nothing here answers CORS.
	typ, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || typ != "application/x-www-form-urlencoded" {
		return nil, refuse(http.StatusUnsupportedMediaType, "invalid_request", "send the parameters as application/x-www-form-urlencoded")
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		if _, big := errors.AsType[*http.MaxBytesError](err); big {
			return nil, refuse(http.StatusRequestEntityTooLarge, "invalid_request", "the request body is larger than 64 KiB")
		}
		return nil, refuse(http.StatusBadRequest, "invalid_request", "the request body did not arrive whole")
	}
	return parseForm(string(body))
}

// parseForm refuses what two readers could read differently.
func parseForm(body string) (form, error) {
	values, err := url.ParseQuery(body)
	if err != nil {
		return nil, refuse(http.StatusBadRequest, "invalid_request", "the parameters are not a well-formed form")
	}
	if len(values) > maxParameters {
		return nil, refuse(http.StatusBadRequest, "invalid_request", "too many parameters")
	}
	f := make(form, len(values))
	for name, v := range values {
		// RFC 6749 §3.1: "Request and response parameters MUST NOT be included
		// more than once."
		// https://www.rfc-editor.org/rfc/rfc6749#section-3.1
		if len(v) > 1 {
			return nil, refuse(http.StatusBadRequest, "invalid_request", "a parameter is there twice: "+name)
		}
		if !utf8.ValidString(name) || !utf8.ValidString(v[0]) {
			return nil, refuse(http.StatusBadRequest, "invalid_request", "a parameter is not UTF-8")
		}
		// The same clause: "Parameters sent without a value MUST be treated as
		// if they were omitted from the request."
		if v[0] != "" {
			f[name] = v[0]
		}
	}
	return f, nil
}

// require returns the named parameter, or a refusal that names it.
func (f form) require(name string) (string, error) {
	if v := f[name]; v != "" {
		return v, nil
	}
	return "", refuse(http.StatusBadRequest, "invalid_request", "the parameter "+name+" is missing")
}

// printable reports whether s is 1 to limit ASCII characters without spaces,
// quotes and backslashes: the characters of RFC 6749 that need no escape where
// an identifier is shown, logged or put into a token.
func printable(s string, limit int) bool {
	if s == "" || len(s) > limit {
		return false
	}
	for _, c := range []byte(s) {
		if c <= ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}
