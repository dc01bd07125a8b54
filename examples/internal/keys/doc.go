// Package keys opens the security key that a program's flags -key and -device name. It is
// shared by the programs in examples.
//
// Start with [Spec].
package keys
