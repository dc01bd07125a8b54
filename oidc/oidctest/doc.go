// Package oidctest is an identity provider for tests, one that can be told to be
// wrong.
//
// # Start here
//
// [New] returns a [*Provider], an http.Handler: give it to httptest.NewServer,
// and the server's URL is the issuer. [Key] stands in for a security key.
// [Provider.Inject] makes the provider commit any of [Faults]: forged and ill-made
// tokens, oversize, hung and redirecting endpoints, refusals. A client that is
// right refuses every one of them; a test that loops over Faults finds out.
//
// # Guarantees
//
// Without faults the provider is strict where a client could be sloppy: PKCE, the
// DPoP proof and its binding to the session, one use per code and per challenge,
// one audience per token. It shares no code with the client in package oidc nor
// with the issuer in oidc/issuer.
//
// # Non-goals
//
// It verifies no WebAuthn signature: whether a response is good is for
// [Options.Verify] to say. It keeps everything in memory and serves no one but
// tests.
package oidctest
