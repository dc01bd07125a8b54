// Keyagent signs in once with a security key and then gives Databricks tools on
// this machine short-lived tokens: the Databricks CLI, Terraform, the Go and
// Python SDKs and notebooks, none of which need a change.
//
//	keyagent enroll -invite 'http://localhost:8080/enroll#…' -key soft:my.key
//	keyagent -issuer http://localhost:8080 -host https://dbc-….cloud.databricks.com -key soft:my.key
//	keyagent exec -issuer … -host … -key soft:my.key -- jupyter lab
//
//	keyagent -issuer … -host … -key browser -keep ~/.lakekey
//
// The first registers a key through an enrolment link. The second prints export
// lines on standard output and serves the metadata service until it is
// interrupted. The third runs a command with those variables and ends with it. The
// last signs in on the provider's page, and keeps the session, sealed, for every
// keyagent that asks for the same; keyagent logout ends it.
package main
