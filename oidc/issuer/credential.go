package issuer

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/lakekey/lakekey/fido"
)

// signInError tells a client that its assertion was not accepted. Only who has
// shown the key's signature is told why: before that anybody could be asking, and
// the check at which a made-up answer fails would tell a known name from an
// unknown one. The relying party's record holds the reason. What is not about
// the assertion is a fault of ours, and stays an error.
// https://www.w3.org/TR/webauthn-3/#sctn-username-enumeration
func signInError(err error) error {
	if errors.Is(err, fido.ErrCeremonyNotFound) {
		return badSession()
	}
	if errors.Is(err, fido.ErrQuarantined) {
		return refuse(http.StatusBadRequest, "access_denied", "this key is quarantined, because it may have been copied; use another key and tell an administrator")
	}
	v, verification := errors.AsType[*fido.VerificationError](err)
	if verification && v.Signed {
		return refuse(http.StatusBadRequest, "access_denied", "the assertion was not accepted ("+v.Check+": "+v.Detail+"); start again")
	}
	if _, algorithm := errors.AsType[*fido.UnsupportedAlgorithmError](err); verification || algorithm {
		return refuse(http.StatusBadRequest, "access_denied", "the assertion was not accepted; start again with a key that is registered here for you, and if that does not help ask the issuer's operator, whose audit log has the reason")
	}
	return fmt.Errorf("finishing a sign-in: %w", err)
}

// checkCredential asks whether the key behind a session would still be let in.
func (i *Issuer) checkCredential(ctx context.Context, s *Session) error {
	err := i.rp.Active(ctx, s.CredentialID)
	if err == nil {
		return nil
	}
	for _, refusal := range []struct {
		of   error
		text string
	}{
		{fido.ErrNotFound, "the key behind this session was removed; sign in with another one"},
		{fido.ErrRevoked, "the key behind this session was revoked; sign in with another one"},
		{fido.ErrQuarantined, "the key behind this session is quarantined, because it may have been copied; use another key and tell an administrator"},
		{fido.ErrPending, "the key behind this session waits for an administrator's approval; sign in with another one, or ask for the approval"},
		{fido.ErrBlocked, "the person behind this session is blocked; ask an administrator"},
	} {
		if errors.Is(err, refusal.of) {
			return refuse(http.StatusBadRequest, "invalid_grant", refusal.text)
		}
	}
	return fmt.Errorf("reading the key behind a session: %w", err)
}
