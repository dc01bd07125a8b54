// Package issuer is an OpenID provider whose only credential is a FIDO2 key: a
// touch becomes a session, and the session yields short-lived ID tokens until
// its hard end.
//
// # Start here
//
// [New] makes an [Issuer] from a [Config], a relying party and a [Store]; it is
// an [net/http.Handler]. [NewMemoryStore] serves tests; package sqlite is for
// one machine. A client needs no more than the URL: discovery names the rest.
//
// The way of a sign-in, in the words of OAuth 2.0 for First-Party Applications
// (FiPA, draft-ietf-oauth-first-party-apps-04):
//
//  1. POST /authorize-challenge says what is asked for, and gets HTTP 403
//     insufficient_authorization with an auth_session and WebAuthn options;
//  2. POST /authorize-challenge brings the assertion, and gets a code;
//  3. POST /token redeems the code with the PKCE verifier and a DPoP proof, and
//     gets an ID token, an access token and a refresh token;
//  4. POST /token with the refresh token and a proof by the same key gets
//     another ID token, for the same or another audience that the client may
//     ask for, and so on until the session ends;
//  5. POST /revoke (RFC 7009) with the refresh token and a proof by the same key
//     ends the session before its time.
//
// # Guarantees
//
//   - Nothing is issued without a touch made for it: every session starts with
//     an assertion over a challenge of its own. auth_time is that moment and
//     never moves.
//   - acr and amr say what was proven. acr is phrh only for a key whose
//     attestation chains to a root that the relying party holds, and that keeps
//     its secret in hardware; otherwise phr. An acr that was asked for is met or
//     refused, never replaced.
//   - auth_session, challenge, code and DPoP proof are one-time: each is taken
//     atomically before it is looked at, across replicas too. A code that comes
//     twice ends its session.
//   - Every token is bound to the client's DPoP key (RFC 9449), and an ID token
//     is for one audience, which the client must have been granted.
//   - The record of an intent is durable before a token is signed. If it cannot
//     be written there is no token. The result is queued before the token is
//     sent and on disk soon after; a crash in between leaves the intent open,
//     which [audit.Verify] reports. The record's token ID is the jti of the ID token, and with
//     ".at" behind it that of the access token; its token hash is the SHA-256
//     of the refresh token.
//   - A refresh asks the relying party again: a key that was revoked or
//     quarantined since yields nothing more.
//   - The store sees hashes of bearer secrets only. Expiry is checked here, not
//     left to the store.
//   - The issuer's URL is what [Config] says: no header of a request changes it.
//     No answer may be cached, and none is for pages of other sites.
//
// Ending a session stops refreshing at once; ID and access tokens that are out
// stay valid until they expire, at most [Config.TokenLifetime].
//
// # Why handlers of our own
//
// A provider library would take discovery, forms and grants off our hands:
// zitadel's op with 18 linked modules, luikyv/go-oidc with four, fosite with
// 53. None of them has the authorization challenge endpoint, which is the whole
// way in here; their storage interfaces are shaped for login pages (op's has
// some 14 methods around an interactive request), and where code and proof are
// taken, in which order and with which record in the audit log, is theirs to
// say, not ours. What remains to be written beside them is what this package
// is. So the protocol is a few handlers over go-jose, which the client side
// links anyway: no further module, and each law of this package has one place.
// The balance changes if programs of third parties shall sign people in through
// a browser here, with consent and registration; then a certified provider is
// the better start.
//
// # Non-goals
//
// No passwords, no consent pages, no dynamic registration. Rate limiting
// belongs in front: a client that is registered can make the store hold a
// request for every challenge until it expires. The remote address in the log
// is the connection's; behind a proxy it is the proxy's.
//
// # Concurrency
//
// An [Issuer] is safe for concurrent use, and keeps nothing between requests:
// replicas that share a store are one issuer.
package issuer
