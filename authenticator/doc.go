// Package authenticator lets a Go program use a FIDO2 security key: it does for
// the program what a browser does for a page.
//
// # Start here
//
// [NewClient] takes the keys that are plugged in (a [Source]) and the way to
// talk to the person (a [UI]). [Client.Create] turns the creation options a
// relying party sent as JSON into the registration response to send back;
// [Client.Get] does the same for a sign-in. Package authenticator/softkey is a
// key in software to try both with.
//
// One layer below, [Device] is a single key. [NewCTAP2] makes one from a
// [Transport], the byte-level line to the key, which is all that a new medium
// has to provide.
//
// # Guarantees
//
//   - A relying party ID is used only by an origin it belongs to (WebAuthn Level 3
//     §5.1.3 step 8; public suffix list), from https or from this machine. This is
//     what makes the ceremony phishing-resistant, so there is no switch for it.
//   - clientDataJSON is serialised byte for byte as §5.8.1.1 prescribes.
//   - A key is woken only on the goroutine that called Create or Get, and every
//     wait ends with its ctx.
//   - A PIN is asked for only when the ceremony needs one, is sent once, never
//     retried and never kept; the bytes that the UI returned are overwritten.
//   - What a key answers is parsed strictly and within fixed limits. A response
//     that does not parse, or that is about another relying party than asked,
//     yields an error and nothing else.
//   - A cancellation by the key is never reported as context.Canceled while the
//     caller's ctx is alive.
//
// # Non-goals
//
// Verifying attestation or assertions is the relying party's work and not done
// here. U2F-only keys, changing a PIN, listing stored credentials and the
// extensions beyond credProps and credProtect are not part of this package's
// interface; extensions it does not know are ignored, as a browser ignores them.
//
// # Concurrency
//
// A Client and the Devices made here are safe for concurrent use; one Device
// runs one operation at a time and lets others wait, each with its own ctx.
//
// # Compatibility
//
// CTAP 2.0 and 2.1 keys, PIN/UV auth protocols 2 and 1. The JSON is that of
// parseCreationOptionsFromJSON, parseRequestOptionsFromJSON and toJSON in
// WebAuthn Level 3, so any relying party that serves browsers serves a Client.
package authenticator
