//go:build go1.27

package fido

// verifiableSinceGo127 are the ML-DSA parameter sets.
var verifiableSinceGo127 = []Algorithm{-48, -49, -50}
