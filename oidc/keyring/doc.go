// Package keyring has the key that seals kept sessions in the keyring of the
// operating system: Keychain on macOS, the Credential Manager on Windows, the
// Secret Service (GNOME Keyring, KWallet, KeePassXC) on Linux.
//
// # Start here
//
// Give a [Key] to keep.Open, before anybody is asked to sign in:
//
//	store, err := keep.Open(ctx, dir, keyring.Key{})
//
// If there is no keyring, as on most servers, that is an error: the program decides
// whether to use keep.KeyFile instead, or to keep nothing.
//
// # Guarantees
//
//   - 32 random bytes are all that the keyring holds, once for a person and not
//     once for a session: keyrings differ in how much an item may hold, and each
//     access can be a prompt.
//   - What was put in is read back before it is relied on.
//   - Every wait ends with its ctx, and after a minute at the latest: a keyring
//     that is locked asks the person, who may not be there.
//
// # Non-goals
//
// The package is apart from package keep because a program that does not want a
// keyring need not link D-Bus. Where no session bus is announced, the D-Bus library
// looks for one in the usual places and may start one.
//
// # Concurrency
//
// A Key is safe for concurrent use; keep.Open sees to it that one process at a
// time makes the key.
package keyring
