// Audit reads the audit log of a provider as an auditor does.
//
//	audit verify -log audit.log -key 'localhost/audit+…'
//
// It says whether the log is what was written, and if it is not, which record is
// not. The key is the one that idp prints when it starts.
package main
