// Package authenticator lets a Go program use a FIDO2 security key: it does for
// the program what a browser does for a page.
//
// # Start here
//
// [NewClient] takes the keys that are plugged in (a [Source]) and the way to
// talk to the person (a [UI]). [Client.Create] turns the creation options a
// relying party sent as JSON into the registration response to send back;
// [Client.Get] does the same for a sign-in. Package authenticator/softkey is a
// key in software to try both with, authenticator/hid finds keys on USB, and
// authenticator/terminal is a UI for a text terminal. A program that signs people in
// needs nothing else of this package than these names and the errors.
//
// One layer below, [Device] is a single key. What its owner does with it stands
// behind interfaces that a Device may have: [PINManager], [CredentialManager],
// [FingerprintManager], [Configurator] and [Resetter], asked for by a type assertion.
//
// [NewCTAP2] makes a Device from a [Transport], the byte-level line to the key, which
// is all that a new medium has to provide. The request and result types are for those
// who do that or who speak to a Device themselves.
//
// # A ceremony
//
//   - No key: the UI is asked to have one plugged in. Several: all blink, and the one
//     that is touched is used. One that cannot serve blinks as well, and touching it
//     yields an [*IneligibleError] that says why. The others are cancelled, and have
//     answered within two seconds.
//   - Without a PIN the touch that chooses is the touch that signs.
//   - The user is verified when the relying party requires or prefers it or the key
//     insists (alwaysUv): by the key's sensor, up to three times or as often as the
//     key recommends, and by PIN when that fails or is blocked.
//   - Lists of credentials are cut to what the key accepts and looked through in
//     silence.
//   - The extensions credProps, credProtect, minPinLength, prf (over hmac-secret, with
//     the user verified) and largeBlob are passed on; others are ignored, as a browser
//     does.
//   - Several accounts: all are signed for with one touch, and the UI chooses.
//
// # Guarantees
//
//   - A relying party ID is used only by an origin it belongs to (WebAuthn Level 3
//     §5.1.3 step 8; public suffix list), from https or from this machine. This is
//     what makes the ceremony phishing-resistant, so there is no switch for it.
//   - clientDataJSON is serialised byte for byte as §5.8.1.1 prescribes.
//   - A key is woken only on the goroutine that called Create or Get, and every
//     wait ends with its ctx.
//   - A PIN is asked for only when the ceremony needs one, and is sent once. When it
//     is wrong the person is asked again, unless few tries are left; the same PIN is
//     never sent twice. No copy of it is left in memory afterwards.
//   - What a key answers is parsed strictly and within fixed limits. A response
//     that does not parse, or that is about another relying party than asked,
//     yields an error and nothing else.
//   - A cancellation by the key is never reported as context.Canceled while the
//     caller's ctx is alive.
//
// # Non-goals
//
// Verifying attestation or assertions is the relying party's work and not done
// here. Enterprise attestation can be enabled on a key, and is not asked of it.
//
// # Concurrency
//
// A Client and the Devices made here are safe for concurrent use; one Device
// runs one operation at a time and lets others wait, each with its own ctx.
//
// # Compatibility
//
// CTAP 2.0 and 2.1 keys, those between the two ("FIDO_2_1_PRE"), and keys that know
// only U2F; PIN/UV auth protocols 2 and 1. The JSON is that of
// parseCreationOptionsFromJSON, parseRequestOptionsFromJSON and toJSON in
// WebAuthn Level 3, so any relying party that serves browsers serves a Client.
package authenticator
