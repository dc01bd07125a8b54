// Package softkey is a FIDO2 security key in software, for tests and for trying
// things out. IT IS NOT FOR PRODUCTION: its private keys are ordinary memory or
// an ordinary file, which whoever reads them can copy.
//
// # Start here
//
// [New] makes a key in memory, [Open] one that lives in a file. A [Key] is an
// authenticator.Transport: authenticator.NewCTAP2 makes a device of it.
// [Options] script what a person would do: set a PIN, touch or not touch, show a
// finger that the key knows or does not know.
// [Key.PlugPTY] makes it a device that fido2-token, ssh-keygen and package
// authenticator/hid open by its path, [Key.PlugUHID] a USB key that everything finds,
// and [Port.SetFault] breaks the line to it.
//
// # Guarantees
//
// Within CTAP 2.1 the key is strict where real ones are lenient, so that a
// client that works here works with them: requests must be in CTAP2 canonical
// CBOR, every defect has the status code the specification gives it, a token's
// permissions, RP ID and lifetime are enforced, three wrong PINs block the key
// until [Key.PowerCycle], and a sensor that did not know five fingers in a row
// waits for the PIN. Signatures and attestation are real.
//
// The code that reads requests and writes responses is the key's own and shares
// nothing with the client side: an error in one is not hidden by the other.
//
// # Non-goals
//
// No enterprise attestation, no extension but credProtect, hmac-secret, largeBlobKey and
// minPinLength. No protection of the private keys.
//
// # Concurrency
//
// A Key is safe for concurrent use: one command runs at a time, others wait for
// it or their ctx. A file belongs to one Key at a time, in all processes: see
// [ErrInUse].
package softkey
