// Package libfido2 reaches FIDO2 security keys through the C library libfido2, by
// way of github.com/keys-pub/go-libfido2. It offers the same authenticator.Device as
// package authenticator/hid, and none of that module's types.
//
// # Start here
//
// Prefer package hid where it works: it is pure Go and free of the limits below. This
// package is for macOS, for keys on NFC and smart card readers, and for whoever has
// to use the system's libfido2.
//
// It needs the build tag libfido2, cgo and the C library:
//
//	Debian, Ubuntu:  apt-get install libfido2-dev gcc
//	macOS:           brew install libfido2
//	go build -tags libfido2
//
// Without them the package compiles and [NewSource] fails with an
// [*UnsupportedError]. With them, NewSource finds the keys that are plugged in and
// hands them to authenticator.NewClient; [Source.Open] takes the path of one key.
//
// # Guarantees
//
//   - A call returns within 150 ms after its ctx is done, whatever the key does.
//     go-libfido2 loses a cancellation that comes before it has opened the key, so
//     the cancellation is repeated every 50 ms until the call is over.
//   - A key that does not answer is given up after 5 s, and a call that cannot be
//     ended goes on in the background; until it ends, every other call for that path
//     fails with [ErrNotResponding] instead of piling up behind it.
//   - A key that another program uses is waited for as long as ctx allows, and then
//     named in a [*BusyError] (Linux; libfido2 itself would block for 21 s).
//   - One operation at a time runs on one path, in all Devices of a [Source].
//   - Codes of the key arrive as the authenticator.Status of their number, also those
//     that go-libfido2 has no name for.
//   - Exclude lists work, although go-libfido2 has none: the key is asked in silence
//     which credentials are its own, and an excluded one is refused after a touch.
//   - The attestation statement is rebuilt for the formats packed, fido-u2f and none.
//   - No input makes it panic, and nothing is written to standard error.
//
// # Limits
//
// These lie in go-libfido2 and cannot be cured from outside:
//
//   - THE PIN STAYS IN MEMORY. go-libfido2 copies it into the C heap for each command
//     and neither overwrites nor frees the copy. Use package hid for keys with a PIN.
//   - Of several accounts at one relying party only the first assertion is returned,
//     the most recent account's: there is no choice. Names of users are not returned.
//   - Info knows versions, extensions, AAGUID, options and PIN protocols, and nothing
//     else. In particular ForcePINChange and MinPINLength are not known.
//   - PINRetries does not know whether the key waits for a power cycle; the refusal
//     of the next PIN does.
//   - Large blobs are out of reach; Info does not have the option.
//   - The prf extension (hmac-secret) is not passed on: registration answers that it
//     is not enabled.
//   - Of several keys, one that is not registered does not blink, so that whoever
//     touches it is not told why it does not do.
//   - Of an attestation certificate chain only the first certificate is returned; the
//     relying party needs the intermediate ones from elsewhere.
//   - Of the list of algorithms one is sent at a time, in the order of preference.
//   - A credential that credProtect hides until the user is verified by the key itself
//     is not found in an exclude list; with a PIN it is.
//   - Select notices a touch within 250 ms, and not why the key refused one.
//   - A key that answers nonsense is taken for one that knows U2F only.
//   - A cancellation that falls between two frames of a command may confuse a key. The
//     call returns with its ctx, and the path recovers when the key has timed out.
//   - The key is opened anew for each command, and each command leaks some hundred
//     bytes of C memory.
//   - U2F-only keys cannot be cancelled: the call returns with its ctx, and the path is
//     given up until somebody touches the key.
//   - go-libfido2's logger, which would write to standard error, is global, and
//     replaced by a silent one.
//
// # Concurrency
//
// Everything here is safe for concurrent use. A program makes one Source: two of them
// share nothing and wait for each other as two programs do.
//
// # Compatibility
//
// libfido2 1.12 (Debian 12) and newer, on Linux and macOS with 64 bits. macOS is
// compiled by its users only, and not tested here.
package libfido2
