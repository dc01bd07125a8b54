// Package sqlite keeps an issuer's state in a SQLite file: the store for one
// machine, where several processes may share it.
//
// # Start here
//
// [Open] the file that package fido/sqlite uses too, or another one, and hand
// the [Store] to [issuer.New].
//
// # Guarantees
//
// It passes the conformance suite of package issuertest. What is one-time is
// taken by one SQL statement, so that of any number of processes one gets it.
// When tokens are out, the use of what they were issued for is on disk: after a
// power cut no code and no DPoP proof works again.
//
// The file holds the issuer's signing keys: it is created readable by its owner
// alone, and whoever can read it can sign as the issuer. Of codes, refresh
// tokens and auth_sessions it holds hashes.
package sqlite
