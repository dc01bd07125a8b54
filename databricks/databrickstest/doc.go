// Package databrickstest is a strict Databricks account with one workspace, as an
// [http.Handler]: federation policies, users, the token exchange and a handful of
// workspace APIs over their real paths. It is made to refuse whatever the real
// service might refuse, so that a sign-in that works here was not let through by
// politeness.
//
// # Start here
//
// [New], then [net/http/httptest.NewServer] around it. [Workspace.AddUser] and
// [Workspace.AddPolicy] set the account up from Go; the SDKs, Terraform and curl
// do the same over REST with [Workspace.AdminToken]. [Workspace.Requests] tells
// what was called, by whom and with which User-Agent;
// [Workspace.FailTokenRequests], [Workspace.Delay] and [Workspace.RevokeTokens]
// make things go wrong. The program examples/workspace serves it to other
// languages.
//
// # Guarantees
//
// An access token is issued only for a JWT that is signed with RS256 or ES256 by
// a key of a policy's issuer, whose iss, aud, exp, nbf, iat and subject hold, and
// whose subject is an active user or service principal. The key alone decides the
// algorithm; keys named in the token's header are not looked at. Texts that two
// readers could read differently (members named twice, line breaks inside
// base64url, parameters sent twice) are refused.
//
// An access token is opaque, carries exactly the scopes that were asked for, lives
// min(1 hour, what is left of the JWT), and is refused by every API that its
// scopes do not name. It ends at once when its principal is deactivated or
// deleted. Only hashes of access tokens are kept.
//
// Everything read from outside is bounded. Keys of an issuer are fetched at most
// once in 30 seconds however many unknown kids arrive.
//
// This package shares no code with the issuer, the client or the JWT library of
// the rest of the module, so that a bug in one cannot cancel itself out here.
//
// # Non-goals
//
// Not production: there is no persistence and one all-powerful admin token. No
// browser login, no refresh tokens, no personal access tokens, no SQL, no data.
// The workspace is empty: lists of clusters, jobs and serving endpoints have no
// entries, and nothing can be created.
//
// # Concurrency
//
// A [Workspace] and its handler are safe for concurrent use.
//
// # Compatibility
//
// No real Databricks host was asked. Where each behaviour comes from:
//
// Known from Databricks' documentation: RS256 and ES256 only; the parameters of
// the exchange, and that without client_id the account's policies count; the
// rules for the fields of policies, 20 per service principal, audiences default to
// the account id and subject_claim to sub, update_mask; scope names, :read and
// :restricted-query, which are valid in an exchange, and MeScim in every scope of
// the workspace; "most commonly one hour" and that the lifetime derives from the
// federated token; which SCIM attributes cannot be updated; the values of a
// workspace assignment.
//
// Known from the sources of the Go and Python SDKs, which run against this
// handler: paths, methods, JSON shapes, paging, the X-Databricks-Org-Id header,
// databricks-config, and both shapes of error bodies.
//
// Known from public bug reports: the message "Provided OAuth token does not have
// required scopes".
//
// Guessed, because no source was found, and then the stricter way was taken:
//   - the error codes of the exchange and their texts. They follow RFC 8693
//     section 2.2.2, which asks for invalid_request where a subject token is bad;
//     do not branch on a code of a real host before seeing it.
//   - a missing scope is refused. The SDKs always send one.
//   - scopes for identity (openid, profile, email, offline_access) are refused:
//     an exchange has nothing to give for them.
//   - the list of scope names may lack some, and modifiers are known in the
//     documented order only.
//   - exp is copied down to the second and capped at an hour; a clock may be 60
//     seconds ahead; JWTs up to 32 KiB; typ, if sent, is JWT or at+jwt; a kid may
//     be left out only if one key fits.
//   - keys are kept for 5 minutes, and http issuers accepted on loopback.
//   - token_federation_default_oidc_audiences names the account id. Comments in
//     the SDKs speak of the token endpoint's URL for workspace hosts; a policy
//     without audiences would then refuse what such a client asks for.
//   - 401 for every bad bearer token. Old reports show 403 for some.
//   - account-level tokens are good for the workspace, and no minted token for
//     account APIs; who is an account admin is not modelled beyond the one token.
//   - whether principals need an assignment to the workspace is a choice:
//     [Options.RequireAssignment].
//   - parameters that would change whom a token is for (actor_token,
//     assume_group, authorization_details, audience, resource) are refused.
package databrickstest
