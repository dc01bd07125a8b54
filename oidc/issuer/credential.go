package issuer

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

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
	if said, refused := unusable(err); refused {
		return refuse(http.StatusBadRequest, "access_denied", said)
	}
	if policy, refused := errors.AsType[*fido.PolicyError](err); refused {
		return refuse(http.StatusBadRequest, "access_denied", unwelcome(policy))
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
	err := i.rp.Active(ctx, s.CredentialID, s.UserVerified)
	if err == nil {
		return nil
	}
	if errors.Is(err, fido.ErrNotFound) {
		return refuse(http.StatusBadRequest, "invalid_grant", "the key behind this session was removed; sign in with another one")
	}
	if said, refused := unusable(err); refused {
		return refuse(http.StatusBadRequest, "invalid_grant", said)
	}
	if policy, refused := errors.AsType[*fido.PolicyError](err); refused {
		return refuse(http.StatusBadRequest, "invalid_grant", unwelcome(policy))
	}
	return fmt.Errorf("reading the key behind a session: %w", err)
}

// unwelcome says why the key policy refuses a key. RFC 6749 §5.2 keeps '"' and '\'
// out of an error_description.
func unwelcome(p *fido.PolicyError) string {
	reasons := strings.NewReplacer(`"`, "'", `\`, "/").Replace(p.Decision.String())
	return "the key policy does not let this key in (" + reasons + "); sign in with another key, or ask an administrator"
}

// unusable says what somebody can do whose key would be right and is not let in.
func unusable(err error) (text string, ok bool) {
	switch {
	case errors.Is(err, fido.ErrRevoked):
		return "this key was revoked; sign in with another key, or ask an administrator for a new enrolment link", true
	case errors.Is(err, fido.ErrQuarantined):
		return "this key is quarantined, because it may have been copied or is no longer trusted; use another key, and ask an administrator", true
	case errors.Is(err, fido.ErrPending):
		return "this key waits for an administrator's approval; ask for it, or sign in with another key", true
	case errors.Is(err, fido.ErrBlocked):
		return "this person is blocked; ask an administrator", true
	}
	return "", false
}
