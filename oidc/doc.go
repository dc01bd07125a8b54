// Package oidc turns a touch of a security key into a session, and a session
// into tokens.
//
// # Start here
//
// [Discover] reads what an issuer says about itself. Then a person signs in there:
// with [SignIn], by a security key at lakekey's own issuer; with
// [SignInBrowser], on the page of any OpenID provider; with [SignInDevice], on
// another machine, where that risk is wanted. The [*Session] that these return
// yields ID tokens for any audience the issuer allows, by [Session.IDToken], until
// its hard end. With a [Store], other processes, and later ones, take the same
// session up by [Resume], which asks nobody. [Exchanger] trades an ID token for a
// token of a system that trusts the issuer, such as Databricks (RFC 8693).
//
// # Guarantees
//
//   - Touch discipline. Only SignIn calls [Key.Get], and only SignInBrowser calls
//     [Browser.Open]: once, on the caller's goroutine, under the caller's
//     context. Everything else fails with [*LoginRequiredError], which says why
//     and what to run.
//   - What was asked for is checked. An ID token counts only after the algorithm
//     that all of these share, over go-oidc, which checks signature, issuer,
//     audience and expiry and nothing else: algorithm from our list (never from
//     discovery), typ, no crit, exactly one audience, azp, sub, nonce, iat and
//     lifetime within reason, at_hash, no JSON member twice, at most 64 KiB; and
//     what the request's profile of package assurance demands of acr, amr, acrs and
//     the time of the sign-in, exactly.
//   - A refresh continues the session and changes nothing about it: subject, sid,
//     auth_time and acr of every later token equal those of the first, and amr and
//     acrs, where it has them, still meet the profile. (Where tokens
//     follow the person's browser session, as at Keycloak, auth_time may be later,
//     which prolongs nothing; tokens that prove less end the session.)
//   - Whoever signs in is who was asked for, as far as the issuer tells names.
//   - Of any number of processes that share a session, one renews it at a time, and
//     the others find what it got: a refresh token is not used twice. Before it is
//     used, there is room for what comes of it; as soon as the answer is there, it
//     is written down. A session is found by a request for the same issuer,
//     client, account, scopes, resource and proof, so that a weak one never serves
//     a request for a strong one; and one that may have been phished serves none
//     that says nothing of that.
//   - Where the issuer knows DPoP (RFC 9449), the session is bound to a P-256 key
//     made for it in memory: a refresh token that leaks is of no use without
//     it. An issuer that announces DPoP and answers with bearer tokens is refused.
//     Elsewhere the refresh token is a bearer token, replaced at every use if the
//     issuer does so, and not used again once that is known.
//   - A browser comes back to a port on this machine that answers to its exact
//     name and path only, shows the same page whatever it is sent, and takes one
//     answer: the one with this sign-in's state. PKCE, nonce and, where the
//     issuer sends it, its name (RFC 9207) must be right too.
//   - Endpoints are pinned. All that discovery names must share the issuer's
//     origin; a POST follows no redirect, a GET none that leaves the origin; https
//     is required except on loopback.
//   - Everything remote is bounded in size and time. An issuer that fails is left
//     alone for a while, and says so once instead of once per caller. Tokens under
//     unknown keys cause at most one fetch of the key set in 30 s, beyond the one
//     in 15 min after which a key that the issuer withdrew is forgotten.
//   - Tokens do not print: they are held as secret values, and no error repeats
//     what a server answered except its error code and a cleaned description.
//
// # Non-goals
//
// SignIn speaks the authorization challenge endpoint of OAuth 2.0 for
// First-Party Applications (draft-ietf-oauth-first-party-apps), which lakekey's
// own issuer offers. Providers other than that make ID tokens for the client and
// nobody else: Session.IDToken then serves the client id as the audience, which
// the federation policy of whoever takes the token must name.
//
// Nothing is kept on disk unless SignInRequest.Store says so. A session that is
// kept takes its DPoP key along: it is then bound to whoever can open the store,
// no longer to one process. Kept or not, a refresh token that was on its way when
// the process died, or the answer was lost, may be spent: issuers that replace it
// at every use then want a new sign-in, and the error says what happened.
//
// # Concurrency
//
// Provider, Session and Exchanger are safe for concurrent use. Any number of
// callers share one refresh; each waits under its own context, and the refresh
// belongs to none of them.
package oidc
