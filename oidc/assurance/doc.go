// Package assurance says what a sign-in must prove, and whether the claims that
// came back prove it.
//
// # Start here
//
// A [Profile] is made for one kind of identity provider: [Okta], [Entra],
// [Keycloak], [Auth0], [Ping], [EAP] for any that follows the standard, [Lakekey]
// for our own issuer, [Google] to learn why not. It goes into
// oidc.SignInRequest.Assurance, which asks for it, checks it, and keeps sessions
// apart by it. Profile.Proves and Profile.CannotProve say in words what an accepted
// sign-in is worth.
//
// An API that wants more than a token has answers 401 with a challenge:
// [ParseChallenge] reads it (RFC 9470, and Microsoft's insufficient_claims).
//
// # Guarantees
//
//   - The zero Profile is a secure one: EAP with either level.
//   - What was asked for is checked by what came back, never taken as granted:
//     strings are compared exactly, and a claim that is missing proves nothing.
//   - acr alone proves a key nowhere but at Okta, whose documentation says so:
//     elsewhere amr must name one, too, or what the provider has in its place.
//   - A sign-in counts if it happened for this request, or within the time that
//     [Profile.Within] allows: auth_time is required everywhere.
//   - A profile that was made of wrong options, or for a provider that cannot prove
//     anything, accepts nothing and says why: [Profile.Refusal].
//   - What proves less than resistance to phishing has Insecure in the name of the
//     option that allows it.
//
// # Non-goals
//
// This package speaks to nobody. Signature, issuer, audience and expiry of the token
// that the claims come from are checked by package oidc. The profiles of Okta, Entra,
// Auth0 and Ping follow those vendors' documentation and have not been tried with a
// tenant of theirs; Keycloak's has been tried with Keycloak.
//
// # Concurrency
//
// Everything here is a value that nothing changes.
package assurance
