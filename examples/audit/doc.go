// Audit reads the audit log of a provider as an auditor does.
//
//	audit verify   -log audit.log -key 'localhost/audit+…'
//	audit prove    -log audit.log -key … -record 17 -out 17.tlog-proof
//	audit complete -log audit.log -key … -from january.checkpoint -to march.checkpoint
//	audit export   -log audit.log -key … -format ocsf -since 2026-01-01
//	audit report   -log audit.log -key … -as-of 2026-03-31 -out access-review
//
// Each says first of all whether the log is what was written, and if it is not,
// which record is not; nothing is proven, exported or reported from a log that is
// not. The key is the one that idp prints when it starts. -log takes a file, or
// the database that holds the log: sqlite:FILE or postgres://….
//
// prove -check and complete -check need no log: with them somebody who was given a
// proof can see for himself.
package main
