// Package hid reaches FIDO2 security keys over USB in pure Go: CTAPHID on Linux's
// hidraw, without cgo, libfido2 or udev.
//
// # Start here
//
// [NewSource] finds the keys that are plugged in and hands them to
// authenticator.NewClient; [Source.Wait] returns when one comes or goes. [Open]
// opens a single key by its path, as a [Transport] for authenticator.NewCTAP2 or
// for the commands of CTAPHID itself. A path may name any character device that
// speaks CTAPHID frames: a pseudo-terminal with package softkey behind it is a key.
//
// # Guarantees
//
//   - A call ends with its ctx, within milliseconds, whatever the key does: silence,
//     garbage, keepalives without end, or leaving in the middle. The key is then told
//     to cancel, and the next call waits until it has.
//   - A key that another program uses is waited for, as long as ctx allows, and then
//     named in a [*BusyError]. The lock on the node is libfido2's: its programs, ssh
//     and browsers take turns with ours where they honour it.
//   - A [Source] holds a key only while it is used: half a second after the last
//     command it is free for others.
//   - Frames of other channels are skipped, an answer is at most 7,609 bytes, and
//     nothing of a message that does not assemble is returned.
//   - Buffers that carried messages are overwritten after use.
//
// # Non-goals
//
// NFC and Bluetooth. Systems other than Linux: the package compiles there, and every
// call returns an error that wraps [errors.ErrUnsupported].
//
// # Concurrency
//
// Everything here is safe for concurrent use. One Transport runs one command at a
// time; others wait for their turn or their ctx.
//
// # Compatibility
//
// CTAPHID 2 as in CTAP 2.1 §11.2, with any report size. A key that knows only U2F
// (CTAP1) is reached by [Transport.MSG], which package authenticator uses on its own.
package hid
