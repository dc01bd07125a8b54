package issuer

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
)

// refusal is an answer in the form of RFC 6749 §5.2: a code for the program and
// a description that tells its user what to do.
type refusal struct {
	status      int
	code        string
	description string
}

func refuse(status int, code, description string) *refusal {
	return &refusal{status: status, code: code, description: description}
}

// Error is for the log; a client reads the JSON form.
func (r *refusal) Error() string { return "issuer: " + r.code + ": " + r.description }

// reply is an answer that is no error of the request.
type reply struct {
	status int
	body   any
}

func ok(body any) reply { return reply{status: http.StatusOK, body: body} }

type errorBody struct {
	Error       string `json:"error"`
	Description string `json:"error_description,omitempty"`
}

// write sends a JSON answer that no cache may keep (RFC 6749 §5.1).
func (i *Issuer) write(w http.ResponseWriter, r *http.Request, a reply) {
	b, err := json.Marshal(a.body)
	if err != nil {
		i.log.ErrorContext(r.Context(), "encoding an answer", "error", err)
		a.status, b = http.StatusInternalServerError, []byte(`{"error":"server_error"}`)
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Length", strconv.Itoa(len(b)))
	w.WriteHeader(a.status)
	_, _ = w.Write(b) // whoever asked may be gone
}

// writeError sends err as a client may see it. What is not a refusal is ours:
// the log gets the cause, the client gets to know that trying again may help.
func (i *Issuer) writeError(w http.ResponseWriter, r *http.Request, err error) {
	ref, ok := errors.AsType[*refusal](err)
	if !ok {
		i.log.ErrorContext(r.Context(), "answering a request", "path", r.URL.Path, "error", err)
		ref = refuse(http.StatusServiceUnavailable, "temporarily_unavailable", "the issuer could not complete this; nothing was issued. Try again, and tell its operator if it stays so")
	}
	i.write(w, r, reply{status: ref.status, body: errorBody{Error: ref.code, Description: describable(ref.description)}})
}

// describable keeps to the characters of RFC 6749 §5.2: %x20-21 / %x23-5B /
// %x5D-7E. A description may name something from a request or a configuration.
func describable(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c < 0x20 || c > 0x7e || c == '"' || c == '\\' {
			b[i] = '?'
		}
	}
	return string(b[:min(len(b), 1024)])
}

// sentence makes a description into one that stands by itself.
func sentence(s string) string {
	if s == "" {
		return s
	}
	s = strings.ToUpper(s[:1]) + s[1:]
	if strings.HasSuffix(s, ".") {
		return s
	}
	return s + "."
}
