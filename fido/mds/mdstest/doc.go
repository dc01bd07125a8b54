// Package mdstest makes metadata BLOBs for tests: signed by an authority of the
// test's own, with the entries that the test wants.
//
// # Start here
//
// [New] makes the authority. [CA.Blob] signs a [Payload]; [CA.Parse] does that and
// reads it back, [CA.Source] wraps it up as a [mds.Source] that is offline.
// [CA.Sign] signs any text, for tests of what must be refused.
//
// # Concurrency
//
// A CA is safe for concurrent use.
package mdstest
