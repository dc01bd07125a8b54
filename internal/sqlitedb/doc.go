// Package sqlitedb opens the SQLite files in which lakekey's stores keep their
// tables. It is the only package that imports the driver, so that a program
// that brings its own store links no database.
//
// # Start here
//
// [Open] a file with the migrations of one [Component]; read through the
// embedded [database/sql.DB]; change through [DB.Write], or [DB.WriteBehind] where
// that is enough.
//
// # Guarantees
//
//   - Several components, several [DB] values and several processes may share
//     one file: migrations are numbered per component, applied under the write
//     lock, and only ever forward.
//   - What Write has returned nil for survives a power cut, as with a write-ahead
//     log and synchronous=FULL: a commit that was lost here would be a challenge
//     that can be used a second time, or a quarantine that never happened. Unlike
//     with FULL, writers that commit at the same time share one flush of the disk.
//   - A change that fails undoes itself alone, although changes that arrive
//     together share a transaction. When the transaction fails, none of them is
//     said to have happened.
//   - A file that Open creates is readable by its owner alone.
//
// # Concurrency
//
// A DB is safe for concurrent use. Readers never wait for a writer. Writers of
// one DB queue in Go, where waiting costs nothing and ends with the context, and
// the first of them makes the changes of all; writers of different processes
// take turns through SQLite's own lock, for which a writer waits at most ten
// seconds. A change is seen by others from its commit on, which is a moment
// before it is on disk.
//
// # Compatibility
//
// A file that a newer lakekey has migrated is refused, never misread.
package sqlitedb
