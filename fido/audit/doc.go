// Package audit keeps a record of what happened that nobody can change unseen.
//
// # Start here
//
// [OpenFile] opens a log in a file, [OpenSQL] one in a database that several
// programs share. [Log.Append] records what has happened. What must not happen
// without a trace takes two steps: [Log.Begin] before the act and [Intent.End]
// after it. [VerifyFile] and [VerifySQL] tell an auditor whether a log is what was
// written, and if it is not, which record. [OpenSigner] keeps the key that signs.
//
// [EventTypes] is the catalogue of what lakekey records. [Log.Search] finds records
// for a page. [ProveRecord] shows one
// record to somebody who must not see the others, [ProveGrowth] that what stands
// between two checkpoints is whole. Package export writes records for a SIEM,
// package review makes the access review of them, and package offhost brings
// checkpoints to where the log's writer cannot reach them.
//
// # Guarantees
//
// When Begin or Append returns nil, the record is on disk, unless the [Delivery]
// of its type is [BestEffort]: by default that is the beginning of a ceremony and
// nothing else. When a write fails, no call succeeds until the log is opened
// again, or, if it is in a database, until the database is there again: an act that
// waits for its intent then does not happen. What best effort loses is counted,
// and the log says so itself.
//
// One record is one line of JSON. It holds its number, its time, a link (the
// hash of the record before) and an [Event]. Every value has one spelling, and
// what is hashed are the bytes of the line. Over the lines stands a Merkle tree
// as in RFC 6962, and its root is signed in checkpoints (c2sp.org/tlog-checkpoint),
// so that tools for transparency logs can work on it. The records of all programs
// that share a database are one chain.
//
// A record that was changed, dropped, inserted, doubled or moved is named by
// its number. The newest checkpoint lies beside the log in FILE.checkpoint and
// is at most a second behind (see [Options]); in a database it covers every record.
//
// # Non-goals
//
// A program that holds the signing key can write a false history from the
// start, and who can replace both the log and the checkpoint beside it by
// older copies can take back what came later. Against both helps only a
// checkpoint kept elsewhere: [Options.OffHost] sends them there, [Log.Checkpoint]
// makes one, and [Verify] takes as many as an auditor has.
//
// A log is not pruned: records are kept as long as the log is. To begin a new one,
// begin a new file, and keep the last checkpoint of the old.
//
// # Concurrency
//
// A Log is safe for concurrent use; callers at the same time share one fsync, or
// one transaction. A file is open in one program at a time, which a lock enforces.
// Verifying needs no lock and may happen at any time.
//
// # Compatibility
//
// Lines carry a version. A log that was written today will verify under later
// releases of this package. Events may get more fields; those that exist keep
// their names, as types of events keep their meaning.
package audit
