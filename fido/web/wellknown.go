package web

import "net/http"

// relatedOrigins says where else credentials of the relying party may be used.
// Browsers fetch it from the RP ID's own host.
// https://www.w3.org/TR/webauthn-3/#sctn-related-origins
func (s *Site) relatedOrigins(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Cache-Control", "max-age=3600")
	answer(w, http.StatusOK, map[string]any{"origins": s.cfg.Origins})
}

// passkeyEndpoints leads password managers to the page where a person adds and
// removes passkeys. https://www.w3.org/TR/passkey-endpoints/
func (s *Site) passkeyEndpoints(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "max-age=3600")
	keys := s.origin(r) + s.cfg.Prefix + "/keys"
	answer(w, http.StatusOK, map[string]string{"enroll": keys + "#add", "manage": keys})
}
