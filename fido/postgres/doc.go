// Package postgres keeps a relying party's records in a PostgreSQL database: the
// store for an identity provider that runs on more than one machine.
//
// # Start here
//
// [Open] a database and hand the [Store] to fido.New, in each replica.
//
// # Guarantees
//
// Replicas that share a database are one relying party: any of them serves any
// step, a ceremony begun at one is finished at another, and of all that try to
// finish it one does. What must not happen twice is decided by the database, in
// one statement or under its locks: who takes a ceremony, who has a credential ID,
// whose key has an attested serial number, how many keys a person has. What a
// method has returned nil for survives a crash of the server.
//
// After a restart or a failover of the server at most one call per connection
// fails, and says that the connection was lost; the next one works.
//
// One database may hold the tables of other lakekey stores too. Whoever can write
// to it can register keys for anybody: give the role to nobody else.
//
// # Concurrency
//
// A Store is safe for concurrent use.
//
// # Compatibility
//
// PostgreSQL 13 and later. Migrations are numbered and forward-only: a database
// that a newer lakekey has opened is refused by an older one. The role that runs
// them owns the tables; where there is nothing to migrate, a role that may SELECT,
// INSERT, UPDATE and DELETE will do.
package postgres
