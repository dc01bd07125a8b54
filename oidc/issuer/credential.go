package issuer

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/lakekey/lakekey/fido"
)

// signInError tells a client why its assertion was not accepted. What is not
// about the assertion is a fault of ours, and stays an error.
func signInError(err error) error {
	if errors.Is(err, fido.ErrCeremonyNotFound) {
		return badSession()
	}
	if errors.Is(err, fido.ErrQuarantined) {
		return refuse(http.StatusBadRequest, "access_denied", "this key is quarantined, because it may have been copied; use another key and tell an administrator")
	}
	if _, ok := errors.AsType[*fido.UnsupportedAlgorithmError](err); ok {
		return refuse(http.StatusBadRequest, "access_denied", "this issuer cannot verify signatures by this kind of key; use a key that supports ES256 or EdDSA")
	}
	if v, ok := errors.AsType[*fido.VerificationError](err); ok {
		return refuse(http.StatusBadRequest, "access_denied", "the response of the security key was not accepted ("+v.Check+"); start again, with a key that is registered here")
	}
	return fmt.Errorf("finishing a sign-in: %w", err)
}

// checkCredential asks whether the key behind a session would still be let in.
func (i *Issuer) checkCredential(ctx context.Context, s *Session) error {
	c, err := i.rp.Credential(ctx, s.CredentialID)
	switch {
	case errors.Is(err, fido.ErrNotFound):
		return refuse(http.StatusBadRequest, "invalid_grant", "the key behind this session was removed; sign in with another one")
	case err != nil:
		return fmt.Errorf("reading the key behind a session: %w", err)
	case c.Quarantine != "":
		return refuse(http.StatusBadRequest, "invalid_grant", "the key behind this session is quarantined, because it may have been copied; use another key and tell an administrator")
	}
	return nil
}
