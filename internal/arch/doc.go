// Package arch holds no code, only tests that keep the house as it was drawn:
// which package may import which, where each heavy dependency lives, how a
// package opens, and what no library package may do. Each rule carries the
// reason for which it exists; a failing test prints it.
//
// Start with rules_test.go to read the rules, and change them there, with a new
// reason, when the drawing is wrong.
package arch
