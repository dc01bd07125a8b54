//go:build !go1.27

package fido

// verifiableSinceGo127 is empty: this toolchain's library has no ML-DSA.
var verifiableSinceGo127 []Algorithm
