// Package fido is a WebAuthn relying party: it registers people's FIDO2 keys,
// keeps account of them, and turns an assertion of such a key into a [Proof].
//
// # Start here
//
// [New] makes a [RelyingParty] from a [Config] and a [Store]. [RelyingParty.Invite]
// lets a person enrol: BeginRegistration, FinishRegistration. After that
// BeginSignIn and FinishSignIn yield a Proof. Options and responses are the
// JSON of WebAuthn Level 3, as a browser's parseCreationOptionsFromJSON and
// toJSON speak it.
//
// Package fido/web has the pages and handlers; fido/keypolicy decides which keys
// are good enough, and fido/mds knows their models; fido/sqlite is the store for
// one machine, fido/postgres the one for several, [NewMemoryStore] the one for
// tests.
//
// # People and keys
//
// A [User] is a person, in groups, with any number of keys up to a limit. A
// [Credential] is one key. It is never deleted, so that who held which key on
// a day ([RelyingParty.HeldAt]) stays answerable. Its states:
//
//	            Approve               Quarantine
//	pending ──────────────▶ active ◀──────────────▶ quarantined
//	   │                      │        Release           │
//	   │ Deny, Revoke,        │ Revoke,                  │ Revoke,
//	   ▼ ReportLost           ▼ ReportLost               ▼ ReportLost
//	revoked ──────────────────────────────────────────────────
//
// Only an active key of somebody who is not blocked signs in. A key begins as
// pending where the policy asks for an approval, which nobody gives to a key of
// their own, and as active elsewhere. A sign counter that goes back, or a
// re-evaluation by newer metadata, quarantines. [RelyingParty.Active] answers for
// one key, with the policy and the metadata of that moment; whoever lets something
// live on that began with a proof asks it each time. [RelyingParty.Reevaluate] goes
// through all keys when there is newer metadata or another policy.
//
// Every change takes an [Act]: who does it, and why. Whether they may is decided
// by the caller, as fido/web does.
//
// A person should have two keys: see [Keyring]. For the day on which all are
// lost there are recovery codes ([RelyingParty.IssueRecoveryCodes]): each
// registers one new key, and none signs in.
//
// # Guarantees
//
//   - A ceremony is finished once. Its record is taken from the store before
//     anything is verified, so of any number of concurrent finishes, in any
//     number of processes, one goes on; a finish that fails has used it up.
//   - A ceremony serves the purpose it was begun for and expires; both are
//     checked here, not left to the store.
//   - A credential belongs to one person for ever: its ID is unique over all
//     users, revoked ones included, and an assertion counts only for its owner.
//     Where a device's serial number is attested, one device is one person's.
//   - Revoked is final. Enrolment links and recovery codes are good for one key,
//     and the store has hashes of them only.
//   - What a key says about itself is a claim. It is a fact only where the
//     verdict of its evidence is [keypolicy.Rooted]: then the attestation chains
//     to a root of the metadata or of [Config.Roots]. Certificates inside an
//     attestation never vouch for themselves.
//   - Whether a certificate is valid is asked at the time of [Config.Now], in every
//     format.
//   - An algorithm whose signatures this build cannot verify is refused at
//     registration, not at the first sign-in.
//   - Nothing tells an unknown name from a known one: both get options, and a wrong
//     signature is refused after the same work. That a
//     key is pending, revoked or quarantined, or its owner blocked, is told only
//     to who has shown the key's signature.
//   - With an audit log, no key is added, approved or revoked, nobody is blocked,
//     and no proof is handed out unless the record of it is on disk: changes are
//     recorded before they are made and after. Two things do not wait for the log,
//     so that it cannot be used to keep a copied key alive: a quarantine because
//     of a counter, and what has been refused.
//
// # Non-goals
//
// No sessions, no passwords, no second factor beside the key, no conformance to
// U2F's JavaScript API (the appid extension), no decision about who is an
// administrator. Rate limits belong in front; fido/web has them.
//
// # Concurrency
//
// A RelyingParty is safe for concurrent use and keeps no state of its own:
// replicas share a store. Changes compare and swap: of two people who decide
// about one key, the second decides about what the first has left, and is told so
// with [ErrConflict] if there is nothing left to decide.
package fido
