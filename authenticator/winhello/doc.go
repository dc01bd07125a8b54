// Package winhello uses security keys, and Windows Hello itself, through the
// WebAuthn interface of Windows, which does not let a program without
// administrator rights talk to a security key in any other way.
//
// EXPERIMENTAL: it compiles and its layout of structures is tested everywhere,
// but no test of this module has ever run it on Windows.
//
// # Start here
//
// [New] returns a [Client] with the methods of an authenticator.Client. Windows
// shows every prompt and takes the PIN in windows of its own.
//
// # Guarantees
//
//   - Origin, RP ID and clientDataJSON are decided by package authenticator,
//     exactly as for its own Client.
//   - webauthn.dll is loaded from the system directory by its full path, never
//     from where the program lies or runs (YSA-2026-01).
//   - The end of ctx cancels the operation in Windows by its cancellation ID. Create
//     and Get return within 100 ms of it, even if Windows takes longer; the next
//     operation waits for Windows then.
//
// # Non-goals
//
// No extensions except credProps. What the statement of an attestation contains
// is for Windows to decide, within the preference in the options.
//
// # Concurrency
//
// A Client is safe for concurrent use: one operation runs at a time and the others
// wait for it or for their ctx.
//
// # Compatibility
//
// Windows 10 1903 and later, 64-bit. Elsewhere New fails with an
// [*UnsupportedError], which is errors.ErrUnsupported.
package winhello
