package web

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/lakekey/lakekey/fido"
	"github.com/lakekey/lakekey/internal/secret"
)

// enrollPage is where an enrolment link leads. The invitation is in the fragment
// of the address, which no browser sends: the page itself is the same for all.
func (s *Site) enrollPage(w http.ResponseWriter, r *http.Request) {
	s.render(w, r, http.StatusOK, "enroll", view{Title: "Register a key"})
}

func (s *Site) enrollOptions(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Invite string `json:"invite"`
		Name   string `json:"name"`
	}
	if !s.unhurried(w, r) || !read(w, r, &in) {
		return
	}
	if in.Invite == "" {
		refuse(w, http.StatusBadRequest, "invalid_request", "the invitation is missing: it is the part of the enrolment link after the #, or a recovery code")
		return
	}
	s.beginRegistration(w, r, fido.RegistrationRequest{Invite: secret.New(in.Invite), Name: in.Name})
}

// beginRegistration answers with the options for a new credential, and for whom
// it will be.
func (s *Site) beginRegistration(w http.ResponseWriter, r *http.Request, req fido.RegistrationRequest) {
	req.RemoteAddr, req.UserAgent = s.remote(r), userAgent(r)
	c, err := s.rp.BeginRegistration(r.Context(), req)
	if err != nil {
		s.refuseError(w, r, err)
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
		s.refuseError(w, r, fmt.Errorf("web: reading creation options: %v", err))
		return
	}
	answer(w, http.StatusOK, map[string]any{"ceremony": c.ID.Reveal(), "options": c.Options, "user": about.User.Name, "rp": about.RP})
}

func (s *Site) enrollCredential(w http.ResponseWriter, r *http.Request) {
	if s.unhurried(w, r) {
		s.finishRegistration(w, r)
	}
}

func (s *Site) finishRegistration(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Ceremony string          `json:"ceremony"`
		Response json.RawMessage `json:"response"`
	}
	if !read(w, r, &in) {
		return
	}
	if in.Ceremony == "" || len(in.Response) == 0 {
		refuse(w, http.StatusBadRequest, "invalid_request", "ceremony or response is missing: begin with the options")
		return
	}
	c, err := s.rp.FinishRegistration(r.Context(), secret.New(in.Ceremony), in.Response)
	if err != nil {
		s.refuseError(w, r, err)
		return
	}
	user, err := s.rp.User(r.Context(), c.UserHandle)
	if err != nil {
		s.refuseError(w, r, err)
		return
	}
	answer(w, http.StatusOK, map[string]any{
		"user": user.Name, "credential_id": base64.RawURLEncoding.EncodeToString(c.ID), "name": c.Name, "state": c.State,
		"aaguid": c.Evidence.AAGUID.String(), "attestation": c.Evidence.Verdict.String(),
	})
}
