// Package certwatch says how many days are left of the certificates that identity
// providers publish, before people cannot sign in because one has expired.
//
// # Start here
//
// [New] takes the documents to watch: key sets with x5c, and SAML metadata. Call
// [Watcher.Check] once a day.
//
// # Guarantees
//
//   - A certificate is warned of once at each of 30, 14 and 7 days, and once when it has
//     expired; a check that comes late warns of the nearest one only. The warning says
//     whether a successor is published already.
//   - Documents are read with limits, from https or loopback, and redirects are not
//     followed. One that cannot be read does not keep the others from being looked at.
//   - Certificates are read and never trusted: what they are good for, and whether they
//     are anybody's, is not looked at.
//
// # Non-goals
//
// It does not fetch by itself, and remembers warnings as long as the [Watcher] lives.
// An issuer of this module signs with keys that have no certificates, and replaces
// them by itself.
//
// # Concurrency
//
// A [Watcher] is safe for concurrent use.
package certwatch
