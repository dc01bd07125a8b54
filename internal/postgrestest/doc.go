// Package postgrestest gives tests a real PostgreSQL.
//
// # Start here
//
// [URL] returns the address of an empty database; the server is started when the
// first test of a process asks. A test that stops its server, or measures what
// the disk costs, starts one of its own with [Start].
//
// # Guarantees
//
// A server listens on a Unix socket in a directory of its own and nowhere else.
// It ends with the test process, however that ends, and takes its directory
// along. As root, for whom PostgreSQL does not run, it runs as an unprivileged
// account. Where PostgreSQL is not installed, tests skip and say so.
//
// # Non-goals
//
// Windows: tests skip there.
package postgrestest
