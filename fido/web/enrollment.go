package web

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net"
	"net/http"

	"github.com/lakekey/lakekey/fido"
	"github.com/lakekey/lakekey/internal/secret"
	"github.com/lakekey/lakekey/internal/strictjson"
)

// maxBody bounds what is read of a request. A response with its attestation has
// a few kilobytes.
const maxBody = 64 << 10

// Enrollment lets people who have an invitation register a key.
type Enrollment struct {
	rp  *fido.RelyingParty
	mux *http.ServeMux
}

// NewEnrollment returns the handler for enrolment links.
func NewEnrollment(rp *fido.RelyingParty) *Enrollment {
	e := &Enrollment{rp: rp, mux: http.NewServeMux()}
	e.mux.HandleFunc("GET /enroll", e.page)
	e.mux.HandleFunc("POST /enroll/options", e.options)
	e.mux.HandleFunc("POST /enroll/credential", e.credential)
	e.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		refuse(w, http.StatusNotFound, "not_found", "there is nothing here; an enrolment link ends in /enroll#INVITATION")
	})
	return e
}

// ServeHTTP implements http.Handler.
func (e *Enrollment) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'")
	if err := http.NewCrossOriginProtection().Check(r); err != nil {
		refuse(w, http.StatusForbidden, "cross_origin", "another site sent this request; open the enrolment link itself")
		return
	}
	e.mux.ServeHTTP(w, r)
}

func (e *Enrollment) options(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Invite string `json:"invite"`
	}
	if !read(w, r, &in) {
		return
	}
	if in.Invite == "" {
		refuse(w, http.StatusBadRequest, "invalid_request", "the invitation is missing: it is the part of the enrolment link after the #")
		return
	}
	c, err := e.rp.BeginRegistration(r.Context(), fido.RegistrationRequest{Invite: secret.New(in.Invite), RemoteAddr: remote(r)})
	if err != nil {
		refuseError(w, err)
		return
	}
	var about struct {
		User struct {
			Name string `json:"name"`
		} `json:"user"`
		RP struct {
			ID   string `json:"id"`
			Name string `json:"name"`
		} `json:"rp"`
	}
	if err := json.Unmarshal(c.Options, &about); err != nil {
		refuseError(w, err)
		return
	}
	answer(w, http.StatusOK, map[string]any{"ceremony": c.ID.Reveal(), "options": c.Options, "user": about.User.Name, "rp": about.RP})
}

func (e *Enrollment) credential(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Ceremony string          `json:"ceremony"`
		Response json.RawMessage `json:"response"`
	}
	if !read(w, r, &in) {
		return
	}
	if in.Ceremony == "" || len(in.Response) == 0 {
		refuse(w, http.StatusBadRequest, "invalid_request", "ceremony or response is missing: begin with /enroll/options")
		return
	}
	c, err := e.rp.FinishRegistration(r.Context(), secret.New(in.Ceremony), in.Response)
	if err != nil {
		refuseError(w, err)
		return
	}
	user, err := e.rp.User(r.Context(), c.UserHandle)
	if err != nil {
		refuseError(w, err)
		return
	}
	answer(w, http.StatusOK, map[string]any{
		"user": user.Name, "credential_id": base64.RawURLEncoding.EncodeToString(c.ID), "aaguid": c.Evidence.AAGUID.String(), "attestation": c.Evidence.Verdict.String(),
	})
}

// read decodes the body into v, or refuses it and reports false.
func read(w http.ResponseWriter, r *http.Request, v any) bool {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		refuse(w, http.StatusUnsupportedMediaType, "invalid_request", "send the body as application/json")
		return false
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		refuse(w, http.StatusRequestEntityTooLarge, "invalid_request", "the body is larger than 64 KiB, which no key's response is")
		return false
	case err != nil:
		refuse(w, http.StatusBadRequest, "invalid_request", "the body could not be read")
		return false
	}
	if err := strictjson.Check(body); err != nil {
		refuse(w, http.StatusBadRequest, "invalid_request", "the body is not JSON, or has a member twice")
		return false
	}
	if err := json.Unmarshal(body, v); err != nil {
		refuse(w, http.StatusBadRequest, "invalid_request", "the body is not the object that this path takes")
		return false
	}
	return true
}

// remote is the address that the connection comes from, without its port.
func remote(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

func answer(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		http.Error(w, `{"error":"server_error"}`, http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(b, '\n'))
}
