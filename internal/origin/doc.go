// Package origin brings the address of a server into one form, so that two
// spellings of it compare equal and a stranger's never does.
//
// Start with [Parse], for an address that a person or a peer wrote, and [Of],
// for a URL that is about to be used.
//
// # Guarantees
//
// The result is scheme://host or scheme://host:port: lower case, the scheme's
// own port left out, no path, no query, no user name. The scheme is https; it
// may be http only where nobody but this machine can listen, that is, for
// localhost and for loopback addresses. Whatever Parse returns, it returns again
// unchanged when it is given its own result.
//
// # Non-goals
//
// Host names are ASCII: a name in another script must be written in its ASCII
// form (xn--…), so that two names that look alike are not taken for each other.
package origin
