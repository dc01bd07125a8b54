// Package enroll registers a security key through an enrolment link, as a page
// in a browser would: it is the client of package fido/web.
//
// Start with [Register].
package enroll
