package databrickstest

import (
	"crypto/rand"
	"encoding/json"
	"io"
	"mime"
	"net/http"
)

// answer is the response to one request and what the record will say of it.
type answer struct {
	http.ResponseWriter
	status    int
	errorCode string
	principal string
}

func (a *answer) WriteHeader(status int) {
	if a.status == 0 {
		a.status = status
	}
	a.ResponseWriter.WriteHeader(status)
}

func (a *answer) Write(b []byte) (int, error) {
	if a.status == 0 {
		a.status = http.StatusOK
	}
	return a.ResponseWriter.Write(b)
}

func (a *answer) json(status int, body any) {
	encoded, err := json.Marshal(body)
	if err != nil {
		// Every body is made of strings, numbers and lists of our own.
		a.ResponseWriter.WriteHeader(http.StatusInternalServerError)
		return
	}
	a.Header().Set("Content-Type", "application/json; charset=utf-8")
	a.WriteHeader(status)
	_, _ = a.Write(encoded)
}

// The error_code values of the REST APIs, with the statuses they go with:
// https://docs.databricks.com/api/workspace/introduction
const (
	codeUnauthenticated  = "UNAUTHENTICATED"
	codePermissionDenied = "PERMISSION_DENIED"
	codeNotFound         = "RESOURCE_DOES_NOT_EXIST"
	codeEndpointNotFound = "ENDPOINT_NOT_FOUND"
	codeExists           = "RESOURCE_ALREADY_EXISTS"
	codeBadParameter     = "INVALID_PARAMETER_VALUE"
	codeMalformed        = "MALFORMED_REQUEST"
	codeTooMany          = "QUOTA_EXCEEDED"
	codeMethod           = "METHOD_NOT_ALLOWED"
)

// apiError answers in the shape of the REST APIs.
func (a *answer) apiError(status int, code, message string) {
	a.errorCode = code
	a.json(status, map[string]string{"error_code": code, "message": message, "request_id": requestID(a)})
}

// oauthError answers in the shape of RFC 6749 section 5.2.
func (a *answer) oauthError(status int, code, description string) {
	a.errorCode = code
	a.json(status, map[string]string{"error": code, "error_description": description, "error_id": requestID(a)})
}

// unauthorized refuses the bearer token. RFC 6750 section 3 asks for the
// challenge, and for no error code in it if no credentials were sent.
func (a *answer) unauthorized(challenge, message string) {
	a.Header().Set("WWW-Authenticate", challenge)
	a.apiError(http.StatusUnauthorized, codeUnauthenticated, message)
}

const requestIDHeader = "X-Request-Id"

func requestID(a *answer) string {
	if a.Header().Get(requestIDHeader) == "" {
		a.Header().Set(requestIDHeader, rand.Text())
	}
	return a.Header().Get(requestIDHeader)
}

// maxBody bounds every request body. A subject token is a few KiB.
const maxBody = 64 << 10

// readBody reads a whole request body of the given media type. If it cannot, it
// has answered already, through fail.
func readBody(r *http.Request, mediaTypes []string, fail func(status int, description string)) ([]byte, bool) {
	sent, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	known := false
	for _, m := range mediaTypes {
		known = known || sent == m
	}
	if err != nil || !known {
		fail(http.StatusBadRequest, "Content-Type must be "+mediaTypes[0])
		return nil, false
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	switch {
	case err != nil:
		fail(http.StatusBadRequest, "the body could not be read")
		return nil, false
	case len(body) > maxBody:
		fail(http.StatusRequestEntityTooLarge, "the body is larger than 64 KiB")
		return nil, false
	}
	return body, true
}

// readJSON reads a JSON body into v, refusing duplicate members and anything
// after the value. If it cannot, it has answered already.
func (a *answer) readJSON(r *http.Request, v any) bool {
	fail := func(status int, description string) { a.apiError(status, codeMalformed, description) }
	// SCIM requests may come as application/scim+json: RFC 7644 section 3.1.
	body, ok := readBody(r, []string{"application/json", "application/scim+json"}, fail)
	if !ok {
		return false
	}
	if err := decodeStrict(body, v); err != nil {
		fail(http.StatusBadRequest, err.Error())
		return false
	}
	return true
}
