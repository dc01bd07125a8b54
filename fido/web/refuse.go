package web

import (
	"errors"
	"net/http"

	"github.com/lakekey/lakekey/fido"
)

func refuse(w http.ResponseWriter, status int, code, description string) {
	answer(w, status, map[string]string{"error": code, "error_description": description})
}

// refuseError tells the client what it can do about err. What is not the
// client's business is not told.
func refuseError(w http.ResponseWriter, err error) {
	var failed *fido.VerificationError
	var unsupported *fido.UnsupportedAlgorithmError
	switch {
	case errors.Is(err, fido.ErrInviteInvalid):
		refuse(w, http.StatusBadRequest, "invalid_invite", "this enrolment link is unknown, used or expired; ask an administrator for a new one")
	case errors.Is(err, fido.ErrCeremonyNotFound):
		refuse(w, http.StatusBadRequest, "invalid_ceremony", "this attempt has expired or was answered already; open the enrolment link again")
	case errors.Is(err, fido.ErrCredentialExists):
		refuse(w, http.StatusConflict, "credential_exists", "this key's credential is registered already; use the key to sign in, or register another one")
	case errors.As(err, &unsupported):
		refuse(w, http.StatusBadRequest, "unsupported_algorithm", unsupported.Error())
	case errors.As(err, &failed):
		refuse(w, http.StatusBadRequest, "verification_failed", failed.Error()+"; open the enrolment link again")
	default:
		refuse(w, http.StatusInternalServerError, "server_error", "the registration could not be completed here; try again, and tell an administrator if it stays so")
	}
}
