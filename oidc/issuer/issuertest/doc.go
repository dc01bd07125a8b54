// Package issuertest holds the conformance suite of [issuer.Store]: what a
// store must do for the issuer's promises to hold.
//
// Start with [TestStore], and call it from a test of the store.
package issuertest
