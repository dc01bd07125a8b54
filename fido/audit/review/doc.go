// Package review makes the access review that an auditor asks for out of the
// records of a log, and out of nothing else: who held which key on a day, who
// approved it and why, how long revocations took, which keys nobody uses, what
// was refused.
//
// # Start here
//
// Give [Review.Add] the records as [audit.Verify] hands them to its Each, then
// [Review.Finish] what Verify returned. The [Report] has tables; write them as
// files of comma-separated values, or all of them as one page.
//
// # Guarantees
//
// Every row names the record that it rests on, so that it can be looked up and
// proven ([audit.ProveRecord]). The report says what the log does not hold, and
// does not fill it in: a key that signs in and was never registered in this log
// is listed as such.
//
// The page has no script and loads nothing. What people typed is text in it,
// whatever they typed.
//
// # Non-goals
//
// It judges nobody. What it flags, such as an approval without a rationale or by
// the key's own owner, is what auditors ask about; the answer may be a good one.
package review
