// Quickstart runs the whole chain on this machine in one process and says what
// happens at each step: a security key is registered and signs in, the session
// becomes a narrow Databricks token, the Databricks SDK for Go uses it, and the
// audit log of it all is verified.
//
//	go run ./examples/quickstart
//	go run ./examples/quickstart -json
//
// With nothing but Go installed, a software key, an identity provider and a
// strict stand-in for a Databricks workspace play their parts on loopback.
package main
