package web

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/lakekey/lakekey/fido"
)

// recoveryCodeCount is how many recovery codes somebody gets at a time.
const recoveryCodeCount = 10

// keysPage shows people their own keys.
func (s *Site) keysPage(w http.ResponseWriter, r *http.Request, v *visitor) {
	ring, err := s.rp.Keyring(r.Context(), v.UserHandle)
	if err != nil {
		s.broken(w, r, err)
		return
	}
	signals, err := s.rp.Signals(r.Context(), v.UserHandle)
	if err != nil {
		s.broken(w, r, err)
		return
	}
	told, err := json.Marshal(signals)
	if err != nil {
		s.broken(w, r, fmt.Errorf("web: writing signals: %v", err))
		return
	}
	data := struct {
		Keys, Revoked []key
		NeedsAnother  bool
		Usable, Codes int
		Signals       string
		Quiet         bool // the browser may make a passkey without asking
	}{NeedsAnother: ring.NeedsAnotherKey(), Usable: ring.Usable, Codes: ring.RecoveryCodes, Signals: string(told), Quiet: s.cfg.QuietPasskeys && s.fresh(v.At)}
	for i := range ring.Credentials {
		k := describe(&ring.Credentials[i])
		k.InUse = bytes.Equal(ring.Credentials[i].ID, v.CredentialID)
		if ring.Credentials[i].State == fido.StateRevoked {
			data.Revoked = append(data.Revoked, k)
		} else {
			data.Keys = append(data.Keys, k)
		}
	}
	s.render(w, r, http.StatusOK, "keys", view{Title: "My keys", Tab: "keys", Who: v, Data: data})
}

// addOptions begins the registration of a further key. It takes a step-up, or,
// for a passkey that the browser makes by itself, a sign-in a moment ago: a
// stolen session must not be enough to leave a way in behind.
func (s *Site) addOptions(w http.ResponseWriter, r *http.Request, v *visitor) {
	var in struct {
		Name  string `json:"name"`
		Quiet bool   `json:"quiet"`
	}
	if !s.unhurried(w, r) || !read(w, r, &in) {
		return
	}
	if !s.fresh(v.SteppedUp) && !(in.Quiet && s.cfg.QuietPasskeys && s.fresh(v.At)) {
		refuse(w, http.StatusForbidden, "step_up_required", "confirm with a key that you have registered that it is you")
		return
	}
	s.beginRegistration(w, r, fido.RegistrationRequest{UserHandle: v.UserHandle, SignedInBy: v.CredentialID, Name: in.Name, Conditional: in.Quiet && s.cfg.QuietPasskeys})
}

func (s *Site) addCredential(w http.ResponseWriter, r *http.Request, _ *visitor) {
	s.finishRegistration(w, r)
}

// change is the body of a request about one key.
type change struct {
	Credential string `json:"credential"`
	Name       string `json:"name"`
	Rationale  string `json:"rationale"`
}

// own reads a request about a key of the visitor's own. Somebody else's is not
// found, as if it did not exist.
func (s *Site) own(w http.ResponseWriter, r *http.Request, v *visitor) (in change, id []byte, ok bool) {
	if !read(w, r, &in) {
		return in, nil, false
	}
	id, err := base64.RawURLEncoding.DecodeString(in.Credential)
	if err != nil || len(id) == 0 {
		refuse(w, http.StatusBadRequest, "invalid_request", "credential must be the ID of a key in base64url")
		return in, nil, false
	}
	c, err := s.rp.Credential(r.Context(), id)
	if err == nil && !bytes.Equal(c.UserHandle, v.UserHandle) {
		err = fido.ErrNotFound
	}
	if err != nil {
		s.refuseError(w, r, err)
		return in, nil, false
	}
	return in, id, true
}

func (s *Site) rename(w http.ResponseWriter, r *http.Request, v *visitor) {
	if in, id, ok := s.own(w, r, v); ok {
		c, err := s.rp.Rename(r.Context(), id, in.Name, s.act(r, v, ""))
		s.done(w, r, c, err)
	}
}

func (s *Site) revoke(w http.ResponseWriter, r *http.Request, v *visitor) {
	if in, id, ok := s.own(w, r, v); ok {
		c, err := s.rp.Revoke(r.Context(), id, s.act(r, v, in.Rationale))
		s.done(w, r, c, err)
	}
}

func (s *Site) reportLost(w http.ResponseWriter, r *http.Request, v *visitor) {
	if in, id, ok := s.own(w, r, v); ok {
		c, err := s.rp.ReportLost(r.Context(), id, s.act(r, v, in.Rationale))
		s.done(w, r, c, err)
	}
}

// done answers for a change of a key.
func (s *Site) done(w http.ResponseWriter, r *http.Request, c *fido.Credential, err error) {
	if err != nil {
		s.refuseError(w, r, err)
		return
	}
	answer(w, http.StatusOK, map[string]any{"credential": base64.RawURLEncoding.EncodeToString(c.ID), "name": c.Name, "state": c.State})
}

// recoveryCodes makes new codes. This answer is the only place where they ever
// stand.
func (s *Site) recoveryCodes(w http.ResponseWriter, r *http.Request, v *visitor) {
	var in struct{}
	if !read(w, r, &in) {
		return
	}
	codes, err := s.rp.IssueRecoveryCodes(r.Context(), v.UserHandle, recoveryCodeCount, s.act(r, v, ""))
	if err != nil {
		s.refuseError(w, r, err)
		return
	}
	shown := make([]string, len(codes))
	for i, c := range codes {
		shown[i] = c.Reveal()
	}
	answer(w, http.StatusOK, map[string]any{"codes": shown})
}
