// Package keep keeps sessions in files, sealed, so that the processes of one
// person share one sign-in.
//
// # Start here
//
// [Open] a directory with the key that seals it: package keyring has one in the
// keyring of the operating system, [KeyFile] one in a file. The [*Dir] is an
// oidc.Store, for oidc.SignInRequest.Store. Open it before anybody is asked to sign
// in: it finds out whether the key can be had and files can be written.
//
// # Guarantees
//
//   - A file holds what a session is renewed with, its DPoP key too, sealed
//     (AES-256-GCM) under a name that cannot be changed: a file that was renamed,
//     cut or edited does not open. Nothing in it, or in its length beyond 4 KiB,
//     tells whose session it is.
//   - One process at a time has an entry. The lock is a file of its own, which
//     is never deleted, and the kernel gives it up with the process, however
//     that ends.
//   - A file is replaced in one step: written beside, flushed, renamed, the
//     directory flushed. Whoever is killed in between leaves the old one.
//   - The directory is its owner's alone (0700), the files too (0600). What
//     belongs to somebody else, can be read by others, or is a symbolic link, is
//     refused and not mended: somebody has been there.
//   - Entry.Reserve takes the room for the next file on the disk, so that a full
//     one shows before a refresh token is spent.
//
// # Non-goals
//
// Whoever runs programs as the same person can use the session, as those programs
// can: the sealing is for copies of the files, such as backups. A DPoP-bound session
// that is kept is bound to whoever has the directory and its key, no longer to one
// process; that is what sharing means, and why keeping is a choice. Expired entries
// of requests that nobody makes any more stay until the directory is removed; they
// are of no use to anybody.
//
// On Windows the owner and mode of files are left to the directory's access list;
// use one below the person's profile. Directories on network file systems work if
// flock does there.
//
// # Concurrency
//
// A Dir is safe for concurrent use, by any number of processes.
package keep
