// Package web is a relying party's pages and JSON API: people register keys,
// sign in and look after their keys, administrators decide about them.
//
// # Start here
//
// [New] makes a [Site], an http.Handler, from a fido.RelyingParty and a
// [Config]. Serve it alone, or beside other things on the same mux:
//
//	for _, pattern := range site.Patterns() {
//		mux.Handle(pattern, site)
//	}
//
// [Site.SignIn] makes a sign-in page for another package, which gets the
// *fido.Proof and says where the browser goes next: see [Visit].
// [Site.Session] says who has signed in. [Site.Ask], [Site.Say] and [Site.Guard]
// make further pages that look and are guarded like the site's own.
//
// # Pages
//
//	/enroll        register a key, by the link URL/enroll#INVITATION or by a recovery code
//	/signin        sign in: with a passkey from the list in the field, or with any key
//	/keys          one's own keys: add, rename, revoke, report lost; recovery codes
//	/admin         keys that wait for approval or are held back
//	/admin/people  people, their groups and keys; block and unblock
//	/admin/keys    all keys: by state, unused ones, those held on a day
//	/admin/invite  enrolment links
//	/admin/trail   the audit trail
//
// The invitation is in the fragment of its link: no browser sends that to a
// server, so it is in nobody's access log.
//
// # The API
//
// Bodies and answers are JSON, at most 64 KiB. An error is
// {"error", "error_description"}, and the description says what to do.
//
//	POST /enroll/options     {"invite", "name"}       → {"ceremony", "options", "user", "rp"}
//	POST /enroll/credential  {"ceremony", "response"} → {"user", "credential_id", "name", "state", "aaguid", "attestation"}
//	POST /signin, /stepup    see [Site.SignIn]
//	POST /signout            {}                       → {"location"}
//	POST /keys/options       {"name"}                 → as /enroll/options *
//	POST /keys/credential    {"ceremony", "response"} → as /enroll/credential
//	POST /keys/rename        {"credential", "name"}   → {"credential", "name", "state"}
//	POST /keys/revoke, /lost {"credential", "rationale"} → as rename *
//	POST /keys/recovery      {}                       → {"codes"} *
//	POST /admin/approve, deny, quarantine, release, revoke  {"credential", "rationale"} → as rename *
//	POST /admin/block, unblock, withdraw, withdraw-codes, groups {"user", "rationale", "groups"} → {"user", "groups", "blocked"} *
//	POST /admin/invite       {"user", "groups", "rationale"} → {"user", "link", "expires"} *
//	GET  /.well-known/webauthn            related origins; browsers ask the host that is the RP ID
//	GET  /.well-known/passkey-endpoints   where password managers lead people
//
// Those with a * answer 403 "step_up_required" unless the session's owner has
// confirmed with a key, at /stepup, within the last five minutes.
//
// # Guarantees
//
//   - A page of another site cannot use the API through a visitor's browser:
//     requests that a browser marks as cross-origin are refused, so is any body
//     not declared as JSON, which a form cannot be, and the session's cookie is
//     SameSite=Strict. Requests to a host that is not of [Config.Origins] are
//     refused (DNS rebinding).
//   - Nothing in a page is inline, and its Content-Security-Policy allows nothing
//     that is: no script but the one file of this package runs, nothing is framed.
//   - A session ends with the key that it rests on: each request asks whether
//     the key and its owner may still sign in.
//   - Whether a name or a key is known here shows in no status, text or length of
//     an answer to somebody who has not signed in.
//   - Challenges are limited by address and by account. Having many asked for an
//     account from elsewhere does not keep its owner out. The memory for that is
//     bounded.
//   - People act on their own keys only, administrators on all, and nobody
//     approves a key of their own.
//
// # Non-goals
//
// No mail: fido.Config.Notifier is the place for that. Signing out removes the
// cookie from the browser; a copy of it that somebody took stays good until it
// expires, at most [Config.IdleTimeout] after its last use, or until the key is
// revoked. Limits are counted per process. TLS belongs in front, or to the
// http.Server.
//
// # Concurrency
//
// A Site is safe for concurrent use. Replicas on one store share sessions.
package web
