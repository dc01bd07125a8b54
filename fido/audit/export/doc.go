// Package export writes the records of a log in forms that other programs read:
// OCSF for a SIEM, CSV for a spreadsheet, JSON lines for everything else.
//
// # Start here
//
// Give [Writer.Write] the records as [audit.Verify] hands them to its Each, and
// close the Writer. Only when Verify has returned nil is the export of a log that
// is what was written.
//
// # Guarantees
//
// Nothing is left out and nothing is made up. What a form has no place for stands,
// under its own name, in OCSF's "unmapped"; a user whom the record does not name
// is looked up by session, and called "unknown" if that does not help.
//
// JSON lines are the very bytes that were hashed, so that they can be proven
// ([audit.ProveRecord]). A cell of a CSV never begins with a character that a
// spreadsheet would take for a formula; an apostrophe is put before it.
//
// # Compatibility
//
// OCSF is written as of version 1.8.0 (https://schema.ocsf.io/1.8.0/): classes
// Account Change (3001), Authentication (3002) and Authorize Session (3003), and
// the base event (0) for what is not about a person. The catalogue of package
// audit says which type of event is which.
package export
