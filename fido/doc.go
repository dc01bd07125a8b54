// Package fido is a WebAuthn relying party: it registers people's FIDO2 keys
// and turns an assertion of such a key into a [Proof].
//
// # Start here
//
// [New] makes a [RelyingParty] from a [Config] and a [Store]. [RelyingParty.Invite]
// lets a person enrol: BeginRegistration, FinishRegistration. After that
// BeginSignIn and FinishSignIn yield a Proof. Options and responses are the
// JSON of WebAuthn Level 3, as a browser's parseCreationOptionsFromJSON and
// toJSON speak it. Package fido/web has handlers for enrolment; fido/sqlite has
// the store for one machine, [NewMemoryStore] the one for tests.
//
// # Guarantees
//
//   - A ceremony is finished once. Its record is taken from the store before
//     anything is verified, so of any number of concurrent finishes, in any
//     number of processes, one goes on; a finish that fails has used it up.
//   - A ceremony serves the purpose it was begun for and expires; both are
//     checked here, not left to the store.
//   - A credential belongs to one person for ever: its ID is unique over all
//     users, and an assertion counts only for its owner.
//   - What a key says about itself is a claim. It is a fact only where the
//     verdict is [keypolicy.Rooted]: then the attestation chains to a root that
//     the metadata has for that very model, or that was pinned in [Config.Roots].
//     Certificates inside an attestation never vouch for themselves.
//   - The key policy is asked at registration and at every sign-in, with what is
//     known of the model by then, and without a word to the network.
//     [RelyingParty.Reevaluate] asks it about all keys.
//   - An algorithm whose signatures this build cannot verify is refused at
//     registration, not at the first sign-in.
//   - A sign counter that goes back quarantines the credential.
//   - Nothing tells an unknown name from a known one: both get options.
//   - With an audit log, no credential is added and no proof handed out unless
//     the record of it is on disk.
//
// # Non-goals
//
// No sessions, no passwords, no second factor beside the key, no conformance to
// U2F's JavaScript API (the appid extension). Rate limits belong in front.
//
// # Concurrency
//
// A RelyingParty is safe for concurrent use and keeps no state of its own:
// replicas share a store.
package fido
