// Package secret holds the one type in which lakekey keeps tokens, codes and
// other bearer values while a program runs.
//
// Start with [New]; [Value.Reveal] is the only way back to the text, so that a
// search for "Reveal(" finds every place where a secret leaves its box.
//
// # Guarantees
//
// A Value prints as "[redacted]" through every verb of package fmt, through
// encoding/json, encoding.TextMarshaler and log/slog, also when it is nested in
// an unexported field of another struct. The last of these is why Value boxes a
// pointer: fmt cannot call methods on unexported fields, and prints what it
// finds there, which is then an address and not the text.
//
// # Non-goals
//
// A Value does not hide its text from a debugger or a memory dump: Go strings
// cannot be wiped. PINs, which must be wiped, are []byte and never a Value.
package secret
