// Package fidotest tests implementations of fido.Store.
//
// # Start here
//
// Call [TestStore] from a test of your store. What it demands is written in the
// documentation of fido.Store; a store that passes keeps a relying party's
// promises about one-time ceremonies and unique credentials.
package fidotest
