// Package caep hears from an identity provider that a person's session was revoked or
// a credential of theirs changed, and has the sessions ended that rest on it.
//
// # Start here
//
// [NewReceiver] makes a [Receiver] for one [Transmitter]; it is the [net/http.Handler]
// that the transmitter's stream pushes to (RFC 8935). What an event means for sessions
// here is the caller's to say, in the function that it is given: for an issuer that is
// one call of its EndSessions with the person's mail address.
//
// # Guarantees
//
//   - Only Security Event Tokens (RFC 8417) of that transmitter count: typ is
//     secevent+jwt, the signature is ES256 or RS256 by a key that the transmitter
//     publishes under its kid, iss and aud are compared exactly, and iat is not older
//     than a day. Nothing in a header brings a key or says where one is.
//   - A token that was acted upon is not acted upon again: it is acknowledged, because
//     a transmitter that missed the first answer sends it again (RFC 8935 §2).
//   - A token is acknowledged after the sessions have ended, or with an error that
//     makes the transmitter send it again: none is lost between the two.
//   - Tokens and keys are read with limits; tokens under unknown keys cause one fetch
//     of the keys in 30 s.
//
// # Non-goals
//
// It does not make or look after streams, which is done in the transmitter's console;
// and it does not poll (RFC 8936). Events other than session-revoked and
// credential-change are acknowledged and come to nothing. The structure follows
// Okta's documentation of its transmitter; it has not been tried with a tenant.
//
// # Concurrency
//
// A [Receiver] is safe for concurrent use. What it remembers of tokens it remembers by
// itself: another replica acts upon one again, if somebody who can read the
// connection sends it there within a day, and ends what has begun since.
package caep
