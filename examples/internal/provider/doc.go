// Package provider puts the stages of lakekey together into the key-only
// identity provider that examples/idp serves and examples/quickstart starts for
// itself: stores, audit log, relying party, issuer and enrolment on one
// http.Handler.
//
// Start with [Open]. A server of your own does the same in its own words; this
// is the place to read how.
package provider
