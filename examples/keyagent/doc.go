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
//
// Of an agent that runs there is one for a person and an access: a second start
// finds it, by a socket in a directory that is the person's alone, and so do
//
//	keyagent env      its variables, for eval "$(keyagent env)"
//	keyagent status   who is signed in until when, and what the hosts say
//	keyagent touch    sign in again: the URLs stay, notebooks go on
//	keyagent lock     end the session; tools are told what to run
//	keyagent stop     end the agent
//	keyagent exec     without -issuer: run a command with its variables
//
// A tool that asks when nobody is signed in is refused at once, and the person
// sees a prompt. Nothing but a start and keyagent touch ever asks for a touch.
// keyagent touch has the agent sign in: a key with a PIN wants the terminal that
// the agent was started in.
//
// Tools that do not know the metadata service are served in two other ways. One
// is -oidc-file, an ID token in a file, for file-oidc. The other is a link to this
// program with the name keyagent-cli-helper, for DATABRICKS_CLI_PATH: it answers
// what tools ask the Databricks CLI for a token.
//
// In units there are files for systemd and launchd; keyagent doctor says what is
// missing.
package main
