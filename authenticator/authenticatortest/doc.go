// Package authenticatortest tests implementations of authenticator.Device and of
// what has the methods of authenticator.Client.
//
// # Start here
//
// Call [TestDevice] from a test of your backend with a function that makes a Device
// of a software key, and [TestFaults] (Linux) if it reaches keys by the path of a
// device node. What they demand is written in the documentation of
// authenticator.Device. What a backend cannot do is named in [Limits], and tested to
// be just that: a limit that is gone fails the suite as well.
//
// [TestClient] is the same for whole ceremonies: for the methods of an
// authenticator.Client, however many processes and machines lie behind them. Rows that
// a backend cannot follow are listed as [Departure], with the reason, and tested to
// fail in the way that is stated there.
//
// [Plug] (Linux) is the cable: it serves a key as CTAPHID frames over a
// pseudo-terminal, which libfido2 and its tools, OpenSSH and package hid open like a
// USB device.
package authenticatortest
