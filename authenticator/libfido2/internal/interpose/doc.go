// Package interpose lets tests say which keys libfido2 finds, on machines where none
// can be plugged in. With the build tag libfido2 it defines fido_dev_info_manifest in
// the executable, where the dynamic linker finds it before libfido2's own; without the
// tag it is empty.
//
// Start with Add. A program that links this package lists no real keys: only tests may
// import it.
package interpose
