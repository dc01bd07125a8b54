// Package postgres keeps an issuer's state in a PostgreSQL database: the store for
// an issuer that runs on more than one machine.
//
// # Start here
//
// [Open] the database that package fido/postgres uses too, or another one, and
// hand the [Store] to [issuer.New], in each replica.
//
// # Guarantees
//
// It passes the conformance suite of package issuertest. What is one-time is taken
// by one SQL statement, so that of any number of replicas one gets it, and every
// write is there for all of them when its method returns. What is on the server's
// disk then stays, also when the server crashes.
//
// The database holds the issuer's signing keys: whoever can read its tables can
// sign as the issuer. Of codes, refresh tokens and auth_sessions it holds hashes.
//
// # Compatibility
//
// PostgreSQL 13 and later. Migrations are numbered and forward-only.
package postgres
