// Package postgres is the [audit.Database] for a log in PostgreSQL, which the
// replicas of a provider share.
//
// # Start here
//
//	db, err := postgres.Open(ctx, "postgres://lakekey@db.example.com/lakekey")
//	log, err := audit.OpenSQL(ctx, db, signer, audit.Options{})
//
// Every replica signs with the same key.
//
// # Guarantees
//
// The records of all replicas make one chain: whoever writes holds the lock of one
// row until its transaction is over, and takes along all records that wait by
// then. A record that was acknowledged survives a crash of the server, unless the
// server was told otherwise (fsync, synchronous_commit).
//
// # Non-goals
//
// Keeping the database's administrator out. Whoever may write to the tables can
// destroy the log, and is found out; grant the provider's role INSERT and SELECT on
// audit_records and no more, once the tables are there, and send checkpoints off
// the host ([audit.Options]).
//
// # Compatibility
//
// PostgreSQL 13 and later. Migrations are numbered and forward-only: a database
// that a newer lakekey has migrated is refused by an older one.
package postgres
