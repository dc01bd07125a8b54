// Package sqlite keeps a relying party's records in an SQLite file: the store
// for an identity provider on one machine, with no database to run.
//
// # Start here
//
// [Open] a file and hand the [Store] to fido.New.
//
// # Guarantees
//
// Users, invitations and credentials that a method has returned nil for survive a
// power cut. That a ceremony was taken does too as soon as anything that followed
// from it does: no proof is given for a challenge that could come back. Several
// processes may use one file, and one file may hold the tables of other lakekey stores too.
// The file is readable by its owner alone.
//
// # Concurrency
//
// A Store is safe for concurrent use.
//
// # Compatibility
//
// Migrations are numbered and forward-only: a file that a newer lakekey has
// opened is refused by an older one.
package sqlite
