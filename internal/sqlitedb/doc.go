// Package sqlitedb opens the SQLite files in which lakekey's stores keep their
// tables. It is the only package that imports the driver, so that a program
// that brings its own store links no database.
//
// # Start here
//
// [Open] a file with the migrations of one [Component]; read through the
// embedded [database/sql.DB]; change through [DB.Write].
//
// # Guarantees
//
//   - Several components, several [DB] values and several processes may share
//     one file: migrations are numbered per component, applied under the write
//     lock, and only ever forward.
//   - What Write has returned nil for survives a power cut: the journal is a
//     write-ahead log with synchronous=FULL. NORMAL would be faster and would
//     still survive a killed process, but after a power cut it may lose the
//     last commits, and a lost commit here is a challenge that can be used a
//     second time or a quarantine that never happened.
//   - A file that Open creates is readable by its owner alone.
//
// # Concurrency
//
// A DB is safe for concurrent use. Readers never wait for a writer. Writers of
// one DB queue in Go, where waiting costs nothing and ends with the context;
// writers of different processes take turns through SQLite's own lock, for
// which a writer waits at most ten seconds.
//
// # Compatibility
//
// A file that a newer lakekey has migrated is refused, never misread.
package sqlitedb
