// Package webauthn reads and writes what a browser and a relying party's page exchange:
// the JSON of WebAuthn Level 3, https://www.w3.org/TR/webauthn-3/. It decides who may
// ask for what, and leaves to its callers how an authenticator is asked: over CTAP, by
// Windows, or on another machine. So there is one reading of the options, one rule for
// origins and RP IDs, and one spelling of client data and responses.
//
// # Start here
//
// [ReadCreation] and [ReadRequest] take what a relying party sent; [Registration] and
// [Authentication] are what goes back.
package webauthn
