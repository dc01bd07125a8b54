// Package web speaks HTTP for a relying party.
//
// # Start here
//
// [NewEnrollment] makes the handler behind an enrolment link. Mount it so that
// it sees the paths /enroll, /enroll/options and /enroll/credential, for
// instance with http.StripPrefix. The link that a person gets is
//
//	URL/enroll#INVITATION
//
// where the invitation, from fido.RelyingParty.Invite, is in the fragment: no
// browser sends it to a server, so it is in nobody's access log.
//
// # The API
//
// Bodies and answers are JSON, at most 64 KiB.
//
//	POST /enroll/options     {"invite"}               → {"ceremony", "options", "user", "rp"}
//	POST /enroll/credential  {"ceremony", "response"} → {"user", "credential_id", "aaguid", "attestation"}
//
// options is a PublicKeyCredentialCreationOptionsJSON, response a
// RegistrationResponseJSON (WebAuthn Level 3). An error is
// {"error", "error_description"}, and the description says what to do.
//
// # Guarantees
//
// Another site cannot make a visitor's browser use this API: requests that a
// browser marks as cross-origin are refused, and so is any body that is not
// declared as JSON, which a form cannot be. Answers are not cached.
//
// # Non-goals
//
// No rate limit: it belongs in front, where the addresses of clients are known.
//
// # Concurrency
//
// A handler is safe for concurrent use.
package web
