// Package lakekey is a signpost; it has no code of its own.
//
// lakekey turns a touch on a FIDO2 key into a short-lived Databricks session
// that is provably backed by that key: one touch, one session, one narrow token,
// one audit row. Follow a sign-in through the folders:
//
//   - [github.com/lakekey/lakekey/authenticator]: the key, on the person's machine.
//   - [github.com/lakekey/lakekey/fido]: the proof, on the server.
//   - [github.com/lakekey/lakekey/oidc]: the session that the proof becomes.
//   - [github.com/lakekey/lakekey/databricks]: the use of the session.
//
// To see all of it work on one machine, with nothing to install:
//
//	go run ./examples/quickstart
//
// # Which package is for me
//
// A Go program that calls Databricks imports oidc and databricks. A program that
// wants to use a security key, for any purpose, imports authenticator. A server
// that signs people in with keys imports fido, and oidc/issuer if it is to be an
// OpenID provider. Notebooks, the Databricks CLI and Terraform need no code: run
// examples/keyagent and set the variables it prints.
//
// # Compatibility
//
// Before version 1.0 an exported name may change between minor versions; the
// changelog says so. The names, flags and outputs of the programs in examples are
// a contract.
package lakekey
