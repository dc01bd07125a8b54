// Package offhost brings the signed checkpoints of a log to where the log's
// writer cannot take them back.
//
// # Start here
//
// [NewHTTP] posts them to a service; [NewDirectory] writes each to a file of its
// own, once: on a mounted object store with a retention lock, or a disk of
// another machine. Put what you get into [audit.Options], field OffHost.
//
// # Guarantees
//
// A checkpoint is kept as it is. It names the log, how many records it had and
// the root over them, so that whoever holds it can tell later whether any of them
// was changed or cut off ([audit.Verify]).
//
// # Non-goals
//
// A directory on the disk of the log's own machine is off no host: whoever can
// rewrite the log can remove the files. Retention is the object store's to enforce.
//
// # Concurrency
//
// Both are safe for concurrent use, by several logs and by replicas of one.
package offhost
