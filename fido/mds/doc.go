// Package mds reads the FIDO Metadata Service: what is known about models of
// security keys, signed by the FIDO Alliance.
//
// A key can claim to be any model. What makes the claim a fact is that its
// attestation chains to a root that the model's metadata names; what the model is
// worth then stands in the same place: how its keys are protected, what it is
// certified for, and whether it has been broken since.
//
// # Start here
//
// [Parse] verifies a metadata BLOB and [Blob.Entry] looks a model up. A server
// makes a [Source] with [NewSource], calls [Source.Run] in a goroutine of its own
// and asks [Source.Current] when it decides about a key. Package fido/mds/mdstest
// makes signed BLOBs for tests.
//
// # Guarantees
//
//   - Nothing of a BLOB is used before its signature is verified with the key of a
//     certificate that chains to a pinned root and bears the name of the service.
//     Certificates that came along never vouch for themselves, and nothing is
//     fetched from where a BLOB points to, but for the revocation lists of a chain
//     that has been verified.
//   - The number of BLOBs never goes back: not while the program runs and, with a
//     file, not across restarts and between processes.
//   - Metadata that is older than it may be is not handed out: [Source.Current]
//     returns a [*StaleError], and rules that need metadata are not fulfilled.
//   - A broken entry does not lose the others, and is reported. A warning about a
//     model is not lost with the rest of a broken entry.
//   - A bad copy, in the file or on the network, does not keep a good one on the
//     other side from being used.
//   - Sizes and times are bounded, and no server is asked more often than its
//     answers call for.
//
// # Revocation
//
// "All certificates in the chain MUST be checked for revocation": a Source does
// so, with the revocation lists that the certificates name, before it takes a BLOB
// from the network. When a list cannot be had the BLOB is refused and tried again
// later; the one in use stays until it is stale. A BLOB in a file is taken without
// the check, since a machine that is offline has no lists: whoever puts it there
// vouches for that. See [SourceConfig] for how to do without.
//
// # Non-goals
//
// Whether a key is acceptable is decided elsewhere: this package says what is
// known. It makes no BLOBs, knows no earlier version of the service than 3, and
// does not read lists of rogue individual keys.
//
// # Concurrency
//
// A Blob and its entries never change and may be shared. A Source is safe for
// concurrent use; any number of processes may share its file.
//
// # Compatibility
//
// Versions 3.0 and 3.1 of the standard,
// https://fidoalliance.org/specs/mds/fido-metadata-service-v3.0-ps-20210518.html.
// Unknown members are ignored and unknown statuses kept.
package mds
