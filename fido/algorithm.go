package fido

import (
	"slices"
	"strconv"
)

// Algorithm is a COSE algorithm identifier.
// https://www.iana.org/assignments/cose/cose.xhtml#algorithms
type Algorithm int

// The algorithms that keys use today. Others have numbers only.
const (
	ES256 Algorithm = -7
	EdDSA Algorithm = -8
	RS256 Algorithm = -257
)

// verifiable lists what the standard library verifies, in order of preference.
// RS1 is missing on purpose: SHA-1 no longer binds a signer to a message.
var verifiable = []Algorithm{ES256, EdDSA, -35, -36, RS256, -37, -258, -38, -259, -39, -9, -51, -52, -19}

var algorithmNames = map[Algorithm]string{
	ES256: "ES256", EdDSA: "EdDSA", -35: "ES384", -36: "ES512",
	RS256: "RS256", -258: "RS384", -259: "RS512", -37: "PS256", -38: "PS384", -39: "PS512",
	-9: "ESP256", -51: "ESP384", -52: "ESP512", -19: "Ed25519", -53: "Ed448",
	-47: "ES256K", -48: "ML-DSA-44", -49: "ML-DSA-65", -50: "ML-DSA-87", -65535: "RS1",
}

// String returns the registered name, or the number if we know none.
func (a Algorithm) String() string {
	if name, ok := algorithmNames[a]; ok {
		return name
	}
	return "COSE algorithm " + strconv.Itoa(int(a))
}

// needsGo127 reports whether the algorithm is one of the ML-DSA parameter sets
// (RFC 9964), which the standard library has from Go 1.27 on.
func (a Algorithm) needsGo127() bool { return a <= -48 && a >= -50 }

// supported reports whether this build can verify signatures of a.
func (a Algorithm) supported() bool {
	return slices.Contains(verifiable, a) || slices.Contains(verifiableSinceGo127, a)
}

// offer returns the algorithms to ask keys for: those of want that this build
// can verify, or all it can verify if want is empty.
func offer(want []Algorithm) []Algorithm {
	if len(want) == 0 {
		return slices.Concat(verifiable, verifiableSinceGo127)
	}
	return slices.DeleteFunc(slices.Clone(want), func(a Algorithm) bool { return !a.supported() })
}
