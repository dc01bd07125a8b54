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
// With a browser, a person signs in by the authorization code flow of OpenID
// Connect Core with PKCE. /authorize checks what is asked for and shows the page
// of [Config.Site], on which a key is touched; the code goes to a redirect URI
// of the client. [Client] says what a client may do. A request can be pushed
// first (RFC 9126). Where there is no browser, a device shows a code (RFC 8628),
// and a person touches a key for it elsewhere. /userinfo and /logout are those
// of OpenID Connect.
//
// A program that talks to the key itself needs no browser. Its way, in the words
// of OAuth 2.0 for First-Party Applications (FiPA,
// draft-ietf-oauth-first-party-apps-04):
//
//  1. POST /authorize-challenge says what is asked for, and gets HTTP 403
//     insufficient_authorization with an auth_session and WebAuthn options;
//  2. POST /authorize-challenge brings the assertion, and gets a code;
//  3. POST /token redeems the code with the PKCE verifier and a DPoP proof, and
//     gets an ID token, an access token and a refresh token;
//  4. POST /token with the refresh token and a proof by the same key gets the
//     next refresh token and another ID token, for the same or another audience
//     that the client may ask for, and so on until the session ends;
//  5. POST /revoke (RFC 7009) with the refresh token and a proof by the same key
//     ends the session before its time.
//
// An agent acts for a person by token exchange (RFC 8693): the person's program gets
// an ID token whose audience is the agent, and hands it over; the agent brings it to
// /token with an actor token that it has signed. [Client.MayActFor] says who may.
// /introspect (RFC 7662) tells a client that signs its requests whether a token is
// good now.
//
// It signs with ES256 and keys that it makes in its store and replaces by itself.
// [KeyConfig] says otherwise; [Issuer.Keyring] shows them, hastens the next one, and
// revokes one that was stolen.
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
//   - Every token is bound to the client's DPoP key (RFC 9449) unless
//     [Client.InsecureBearer] says otherwise, and an ID token is for one
//     audience, which the client must have been granted.
//   - No client has a secret. One with keys of its own signs an assertion for every
//     request (private_key_jwt, RFC 7523), for this issuer alone, good for
//     an hour at most and for one use over all replicas; only registered keys count.
//   - A delegated token names the person in sub, every agent in act, and one
//     audience that each of them and the person's program may ask for. Its scopes
//     were asked for by name, and are no more than those of whoever handed on. It
//     ends with the token that was exchanged, at the latest, and it goes through
//     three hands at most. Nobody is named in act whose actor token did not prove it.
//   - A browser is sent to no place but a registered redirect URI, compared
//     character by character; only a loopback port is free (RFC 8252 §7.3). The
//     answer names this issuer (RFC 9207). PKCE is S256, for every client.
//   - A token is introspected for its audience and for who it was issued to, and is
//     live only while its session, its key and the rights of its agents are.
//   - The record of an intent is durable before a token is signed. If it cannot
//     be written there is no token. The result is queued before the token is
//     sent and on disk soon after; a crash in between leaves the intent open,
//     which [audit.Verify] reports. The record's token ID is the jti of the ID
//     token, and with ".at" behind it that of the access token; its token hash
//     is the SHA-256 of the refresh token.
//   - A device is let in by one touch on a page that says which program asks and
//     from where, after its code was typed there with a number that no link
//     holds. One wrong number ends it.
//   - A refresh token is replaced with every use (RFC 9700 §4.14.2), in one step
//     across replicas. One that was replaced ends its session when it comes again,
//     unless the proof of the session's key comes with it and its successor has
//     been in use for no more than a minute: then the client gets the same answer
//     again, and exactly one token goes on. Bearers get one only if they sign their
//     requests, and none of theirs is taken twice.
//   - A refresh asks the relying party again: a key that was revoked or
//     quarantined since yields nothing more.
//   - The store sees hashes of bearer secrets only. Expiry is checked here, not
//     left to the store.
//   - No rotation of the signing key makes a valid token fail: a key is published two
//     days before it signs, which is longer than caches keep a key set, and until the
//     last token that it has signed is over. One always waits; it steps in at once for
//     one that is revoked, of which nothing is taken here after a second, and on
//     other replicas after five. A kid, which is the key's thumbprint, is never used
//     again. A replica that cannot ask the store signs nothing after five seconds.
//   - The issuer's URL is what [Config] says: no header of a request changes it.
//     No answer may be cached, and none is for pages of other sites.
//
// # Revocation
//
// A session ends by [Issuer.EndSession], many of them by [Issuer.EndSessions], and all
// of a person's or of a key's when the relying party no longer lets it in; those of a
// program when [Issuer.SetClients] leaves it out. Nothing of this is remembered from
// one request to the next: every token, and every answer of userinfo and
// introspection, is asked for at the stores, so that no replica issues anything from
// the moment at which the store knows. (A replica learns of its clients from
// [Issuer.SetClients] alone; the provider in examples reads their file every two
// seconds.) A replica that cannot reach the store answers 503 and issues nothing.
// [Issuer.Notify] brings the news of a relying party: with it the sessions of a key
// that is revoked or quarantined, or of a person who is blocked, are over, and clients
// told, before whoever did that has their answer.
//
// A client with a [Client.BackchannelLogoutURI] is told that a session is over, by
// OpenID Connect Back-Channel Logout: at once, and again for a minute and a half
// while it cannot be reached. What this process has not delivered when it ends is not
// delivered; [Issuer.Close] waits for what is under way.
//
// ID and access tokens that are out stay valid until they expire, at most
// [Config.TokenLifetime], for whoever does not introspect them; and what an ID token
// was exchanged for elsewhere lives as long as it does there: for a Databricks token
// that is up to an hour. That sum is the bound.
//
// # Why handlers of our own
//
// Measured beside each other before the pages came: luikyv/go-oidc v0.12.0 links
// 4 modules (13,600 lines, 91 options) and has DPoP, PAR and the claims
// parameter, but no device grant, no token exchange and no logout; zitadel/oidc
// v3.51.17 op links 18 modules (7,300 lines, 52 interfaces, a storage of 14
// methods around an interactive request) and has those three, but no DPoP, no
// PAR and no claims parameter, and leaves acr_values to its storage. Neither has
// the authorization challenge endpoint. What decides is the law of one-time
// things: both read a code from the store in one call and delete it in another,
// luikyv before the checks and zitadel after the tokens are signed, so that two
// replicas that are asked at once may both issue, unless a store takes where it
// is asked to look. Where the audit log's intent goes, between the check and the
// signature, is not ours to say in either.
// So the protocol is handlers over go-jose, which the client side links anyway,
// and each law of this package has one place. What that costs is that nobody has
// certified them: independent clients are run against them in the tests.
//
// # Non-goals
//
// No passwords, no dynamic registration, no single sign-on: a page of ours never
// answers for a person who does not touch a key, so prompt=none is refused.
// Consent is the touch, on a page that says to what. Rate limiting of programs
// belongs in front: a client that is registered can make the store hold a
// request for every challenge until it expires. Browsers and devices are
// limited, and addresses known, as [web.Config] says; without a [Config.Site]
// the address in the log is the connection's.
//
// # Concurrency
//
// An [Issuer] is safe for concurrent use: replicas that share a store are one issuer.
// Between requests it keeps what it knows of its signing keys, for a second, and the
// logout tokens that are on their way, until [Issuer.Close].
package issuer
