// Package keys opens the security key that a program's -key flag names. It is
// shared by the programs in examples.
//
// Start with [Open].
package keys
