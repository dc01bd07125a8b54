// Package databricks turns a session that a security key stands behind into
// access to Databricks: a session and a host give a [TokenSource], and a
// TokenSource gives a [Strategy], which the Databricks SDK for Go takes as its
// credentials. The person who touched the key is not asked again.
//
// # Start here
//
// [NewTokenSource], then [NewStrategy]; the example of NewStrategy is a whole
// program. A program that calls the REST API by itself uses
// [TokenSource.Authenticate]. For the CLI, Terraform, Python and notebooks, hand
// the TokenSource to package metadata below this one.
//
// In documentation the SDK is imported as sdk, because its root package is named
// databricks too.
//
// # Guarantees
//
//   - The ID token goes to one address only: the token endpoint of the configured
//     host. The host's discovery document cannot name another, and the exchange
//     follows no redirect. The access token goes to that host only, too, when
//     [Strategy.Transport] is in use.
//   - Whom the ID token is for is said by [Config.Audience], or by a host under
//     Databricks' own domains or on loopback; never by a stranger's host.
//   - Scopes are those that were asked for. There is no default; all-apis is
//     asked for by name or not at all.
//   - Nothing here wakes a security key or opens a browser. When the session has
//     ended, callers get an [oidc.LoginRequiredError] that says so.
//   - Any number of callers share one exchange; each waits under its own context;
//     a host that fails is left alone for a while instead of being asked by each
//     of them. Tokens are renewed ahead of their end, and are never handed out in
//     their last max(60 s, 10 % of the lifetime), nor after the session's end,
//     which is also the latest expiry that any of them states.
//   - A token of a workspace is handed out only when the workspace itself says
//     that it is the expected identity's ([Config.Identity]); else an
//     [IdentityError] is.
//   - A token that was revoked is replaced when the host says so: to
//     [Strategy.Transport], or to [TokenSource.Check].
//   - With [Config.Audit], no token comes into being without a durable record
//     that preceded it.
//   - The exchange, and every call through the SDK, carries lakekey and the first
//     characters of the session's id in the User-Agent.
//
// # Non-goals
//
// Whether the identity provider's word is trusted is decided on the Databricks
// side, by a federation policy. Whom an account's own API takes the session for
// is not checked here, because it has no question for that.
//
// databricks-sql-go's federated token providers are not for a session's ID token:
// they hand it to the warehouse as it is when the exchange fails. Give that
// driver the TokenSource itself, as its Authenticator.
//
// An ID token is a bearer token: while it lives, the host that was given it can
// present it at any other host that takes the same issuer and audience, as the
// same person and for scopes of its own choosing. With the default audience those
// are all hosts of the account. Configure hosts that are trusted with that, keep
// the issuer's tokens short-lived, and let policies name audiences of their own
// where hosts must be kept apart. On loopback the same holds for whichever
// program listens at the configured port, and it may name the account, too.
//
// # Concurrency
//
// Everything here is safe for concurrent use. A token from memory costs no lock.
//
// # Compatibility
//
// Only the SDK's stable packages config, config/credentials and useragent are
// used, nothing marked experimental.
package databricks
