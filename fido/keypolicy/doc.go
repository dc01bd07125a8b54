// Package keypolicy decides which FIDO2 keys a relying party accepts, from whom,
// and says why in words that a person understands.
//
// # Start here
//
// [Evidence] is what is known about a key, and its [Verdict] how well it is
// known. Package fido gathers it; this package only judges it.
package keypolicy
