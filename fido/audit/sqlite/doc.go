// Package sqlite is the [audit.Database] for a log in an SQLite file.
//
// # Start here
//
//	db, err := sqlite.Open(ctx, "lakekey.db")
//	log, err := audit.OpenSQL(ctx, db, signer, audit.Options{})
//
// # Guarantees
//
// A record that was acknowledged survives a power cut. Several programs on one
// machine may write the log, and the file may hold the tables of other lakekey
// stores too; one log is in a file. The file is readable by its owner alone.
//
// # Non-goals
//
// Speed: a log in a file of its own ([audit.OpenFile]) is several times faster and
// verifies itself from the start whenever it is opened.
//
// # Compatibility
//
// Migrations are numbered and forward-only: a file that a newer lakekey has
// opened is refused by an older one.
package sqlite
