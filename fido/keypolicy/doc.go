// Package keypolicy decides which FIDO2 keys a relying party accepts, from whom,
// and says why in words that a person understands.
//
// # Start here
//
// [Parse] reads a policy file, [New] makes a policy from Go values; both are made
// of [Rule]s that ask a [Profile] of the keys of some people. [Policy.Decide]
// holds the [Evidence] about a key against them. Package fido gathers the
// evidence and asks at registration, at every sign-in, and whenever keys are
// looked at again.
//
// examples/idp/policy.yaml shows every field of a policy file, with comments.
//
// # Guarantees
//
//   - Verdict first: whatever a rule asks about the model of a key (its name, that
//     it is hardware, bound to one device, validated or certified) is false unless
//     the key's attestation is [Rooted]. An AAGUID that a key merely claims
//     neither lets it in nor, unless InsecureDenyClaims says so, keeps it out.
//   - What rests on metadata is false once the metadata is stale, unless
//     InsecureStaleMetadata says otherwise. Bad news is believed at any age.
//   - A FIPS rule rests on the certificate of the key, on the certifications in
//     the metadata, or on an explicit list of models; never on a status report.
//   - The first rule that is for a person decides. Nobody is let in by default:
//     where no rule is for somebody, the answer is no.
//   - A file that is not understood completely is refused: unknown fields, fields
//     that occur twice, empty lists, statuses and levels that do not exist.
//   - One meaning has one [Policy.Hash].
//
// # Non-goals
//
// No attestation is verified here, nothing is fetched, and no session is judged:
// what a person may do once they are signed in is the business of package
// oidc/policy.
//
// # Concurrency
//
// A Policy does not change and is safe for concurrent use.
package keypolicy
