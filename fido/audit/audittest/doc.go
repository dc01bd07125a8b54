// Package audittest holds the conformance suite of [audit.Database]: what a
// database must do for the promises of a log in it to hold.
//
// Start with [TestDatabase], and call it from a test of the database.
package audittest
