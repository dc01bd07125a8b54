package web

import (
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/lakekey/lakekey/fido"
	"github.com/lakekey/lakekey/fido/keypolicy"
)

// refusals are the errors that a person can do something about, and what.
var refusals = []struct {
	err               error
	status            int
	code, description string
}{
	{fido.ErrInviteInvalid, http.StatusBadRequest, "invalid_invite", "this enrolment link or recovery code is unknown, used or expired; ask an administrator for a new link"},
	{fido.ErrCeremonyNotFound, http.StatusBadRequest, "invalid_ceremony", "this attempt has expired or was answered already; try again"},
	{fido.ErrCredentialExists, http.StatusConflict, "credential_exists", "this key is registered already; use it to sign in, or register another one"},
	{fido.ErrLimit, http.StatusConflict, "too_many_keys", "you have as many keys as may be registered for one person; revoke one that you do not use"},
	{fido.ErrSerialTaken, http.StatusConflict, "not_your_key", "this key is registered to another person; everybody needs a key of their own"},
	{fido.ErrPending, http.StatusForbidden, "key_pending", "this key waits for an administrator to approve it; until then use another key"},
	{fido.ErrQuarantined, http.StatusForbidden, "key_quarantined", "this key is held back until an administrator has looked into it; use another key and tell an administrator"},
	{fido.ErrRevoked, http.StatusForbidden, "key_revoked", "this key was revoked and is of no use here any more; use another key, or ask an administrator for an enrolment link"},
	{fido.ErrBlocked, http.StatusForbidden, "blocked", "you may not sign in here at present; ask an administrator"},
	{fido.ErrOwnApproval, http.StatusForbidden, "own_approval", "this key is your own: another administrator has to decide"},
	{fido.ErrConflict, http.StatusConflict, "changed_meanwhile", "somebody else has changed this meanwhile; reload the page and look again"},
	{fido.ErrNotFound, http.StatusNotFound, "not_found", "there is no such key or person; reload the page and look again"},
}

// refuseError tells the client what it can do about err. What is not the
// client's business is not told.
func (s *Site) refuseError(w http.ResponseWriter, r *http.Request, err error) {
	if refusal, ok := errors.AsType[*Refusal](err); ok {
		refuse(w, refusal.Status, refusal.Code, refusal.Description)
		return
	}
	for _, k := range refusals {
		if errors.Is(err, k.err) {
			refuse(w, k.status, k.code, k.description)
			return
		}
	}
	if policy, ok := errors.AsType[*fido.PolicyError](err); ok {
		answer(w, http.StatusForbidden, map[string]any{
			"error": "policy", "error_description": "this key is not accepted here: " + because(policy.Decision), "reasons": policy.Decision.Reasons,
		})
		return
	}
	if unsupported, ok := errors.AsType[*fido.UnsupportedAlgorithmError](err); ok {
		refuse(w, http.StatusBadRequest, "unsupported_algorithm", strings.TrimPrefix(unsupported.Error(), "fido: "))
		return
	}
	if invalid, ok := errors.AsType[*fido.InvalidError](err); ok {
		refuse(w, http.StatusBadRequest, "invalid_value", strings.TrimPrefix(invalid.Error(), "fido: "))
		return
	}
	if failed, ok := errors.AsType[*fido.VerificationError](err); ok {
		refuse(w, http.StatusBadRequest, "verification_failed", whatFailed(failed))
		return
	}
	s.cfg.Logger.ErrorContext(r.Context(), "a request could not be answered", "path", r.URL.Path, "error", err)
	refuse(w, http.StatusInternalServerError, "server_error", "that could not be completed here; try again, and tell an administrator if it stays so")
}

// whatFailed says which check a key's answer did not pass, to its holder.
// Somebody else, who has not shown a signature of a registered key, gets the
// same words whatever the reason: it would tell who works here, and which keys
// they have. https://www.w3.org/TR/webauthn-3/#sctn-username-enumeration
func whatFailed(e *fido.VerificationError) string {
	if e.Signed || strings.HasSuffix(e.Spec, "#sctn-registering-a-new-credential") {
		return strings.TrimPrefix(e.Error(), "fido: ") + "; try again, or use another key"
	}
	return "that key does not sign in here. It may not be registered, or to somebody else, or it has neither a PIN nor a fingerprint set. Try another key, or ask an administrator for an enrolment link"
}

// because says what a key policy wants of a key and what it found.
func because(d keypolicy.Decision) string {
	if len(d.Reasons) == 0 {
		return "no rule of the key policy is for you; ask an administrator"
	}
	var wants, found []string
	for _, r := range d.Reasons {
		if wants = append(wants, r.Want); !slices.Contains(found, orElse(r.Because, r.Found)) {
			found = append(found, orElse(r.Because, r.Found))
		}
	}
	return "the rule “" + d.Rule + "” wants " + strings.Join(wants, ", and ") + ". Of this key is known: " + strings.Join(found, "; ") + ". Use another key, or ask an administrator which are accepted"
}
