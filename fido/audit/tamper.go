package audit

import "fmt"

// Kind says what happened to a log that does not verify.
type Kind string

// What can be told about a log that was tampered with.
const (
	Changed    Kind = "changed"    // the bytes of the record are not those that were written
	Dropped    Kind = "dropped"    // the records are gone from the middle
	Inserted   Kind = "inserted"   // a record was put in that was never written there
	Duplicated Kind = "duplicated" // the record stands in the log twice
	Reordered  Kind = "reordered"  // the record stands in another place
	Truncated  Kind = "truncated"  // the newest records are gone
	Rewritten  Kind = "rewritten"  // the records agree with each other, not with a signed checkpoint
	Unsigned   Kind = "unsigned"   // a checkpoint is missing, not of this log, or not signed by its key
)

// TamperError says that a log is not what was written, and where.
//
// Records are counted from 1; record n was written as line n of the file.
type TamperError struct {
	Kind   Kind
	Record uint64 // the record concerned, or the first of a range; 0 when it is no record
	Last   uint64 // the last record of the range; Record when it is one
	Line   uint64 // where in the file it shows
	Detail string // for people
}

func (e *TamperError) Error() string {
	switch {
	case e.Record == 0:
		return fmt.Sprintf("audit: %s: %s", e.Kind, e.Detail)
	case e.Last > e.Record:
		return fmt.Sprintf("audit: records %d to %d %s: %s", e.Record, e.Last, e.Kind, e.Detail)
	default:
		return fmt.Sprintf("audit: record %d %s: %s", e.Record, e.Kind, e.Detail)
	}
}
