// Package metadata hands Databricks access to unmodified programs on this
// machine: the Databricks CLI, Terraform, and the Go and Python SDKs, notebooks
// included, fetch their tokens from it over the protocol that they call
// metadata-service.
//
// # Start here
//
// [Listen], [NewServer], [Server.Add] for each host, then serve: the example of
// Server does all of it. A program that is to use it gets three environment
// variables:
//
//	DATABRICKS_HOST                   the host
//	DATABRICKS_AUTH_TYPE              metadata-service
//	DATABRICKS_METADATA_SERVICE_URL   what Add returned
//
// The second is not optional in practice. Without it the tools take a refusal for
// a reason to try another identity that they find, and say nothing.
//
// # Guarantees
//
//   - One URL serves one host of one session, for as long as the server lives.
//     Its path holds 256 random bits.
//   - A token is answered only to a GET of that path which names the protocol's
//     version, the right host, and this server in its Host header. The first two
//     are headers of their own, which a web page cannot set without the preflight
//     that is never answered; the last is what a page that rebinds its DNS name
//     gets wrong.
//   - On Linux, a process of another user is refused, whatever it knows.
//   - A GET never causes a touch and never waits for a person. When the session
//     has ended, the answer comes at once and says what to run, and
//     [Options.Prompt] tells the person. When a host fails in a way that may pass,
//     the GET waits a little and tries again, for tools do not.
//   - Under [Server.KeepFresh], tokens are renewed before a tool has to wait for it.
//   - Every answer is JSON and is marked not to be stored.
//
// # Non-goals
//
// Systems other than Linux do not say whose process asks. Programs of the same user can read each other's environment, and so the URL.
// The path keeps out other users and web pages, not those. It will also be found
// in logs of the tools that use it: the session's short life is what bounds it.
//
// # Compatibility
//
// The protocol is the one of databricks-sdk-go v0.175.0, MetadataServiceCredentials.
// The Go SDK, the CLI and Terraform show a refusal's text. The Python SDK does not
// look at the status and prints "Metadata Service returned empty token" whatever
// the refusal says. The Java SDK does not speak this protocol.
package metadata
