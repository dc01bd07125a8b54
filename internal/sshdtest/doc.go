// Package sshdtest runs the real sshd on loopback, for tests of what ssh forwards: as
// the current user, with a configuration and keys of its own in a temporary directory.
//
// Start with [Start].
package sshdtest
