// Package postgresdb opens the PostgreSQL databases in which lakekey's stores
// keep their tables. It is the only package that imports the driver, so that a
// program that brings its own store links no database.
//
// # Start here
//
// [Open] an address with the migrations of one [Component]. What is one statement
// goes through the embedded [database/sql.DB], where it is a transaction of its
// own; what is more goes through [DB.Write]. [DB.Failed] says what went wrong.
//
// # Guarantees
//
//   - Any number of processes on any number of machines may share a database:
//     migrations are numbered per component, applied by one of them at a time, and
//     only ever forward.
//   - What has returned nil survives a crash of the server, unless the server was
//     told otherwise (fsync, synchronous_commit).
//   - Every wait is bounded: for a connection, for a lock, for a statement, and for
//     a server that fell silent.
//   - A password does not reach an error. A server that is not on this machine is
//     spoken to over TLS, with its certificate verified, unless the address says
//     otherwise.
//
// # Non-goals
//
// A pooler that gives each transaction another connection (PgBouncer in
// transaction mode) works only where it keeps track of prepared statements and
// passes settings on.
//
// # Concurrency
//
// A DB is safe for concurrent use.
//
// # Compatibility
//
// PostgreSQL 13 and later. A database that a newer lakekey has migrated is
// refused, never misread.
package postgresdb
