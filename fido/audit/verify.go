package audit

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"golang.org/x/mod/sumdb/note"
)

// VerifyOptions are the optional settings of [Verify].
type VerifyOptions struct {
	// Checkpoints are signed checkpoints of the log, in any order. The log must
	// agree with each. Without one Verify refuses to work: what the records say
	// about each other cannot show that the newest are gone, or that all were
	// written anew.
	Checkpoints [][]byte

	// InsecureNoCheckpoint allows to verify without a checkpoint.
	InsecureNoCheckpoint bool

	// Each, if not nil, is called with every record, in order, as soon as its place
	// in the chain is known. What it was told is evidence only once Verify has
	// returned nil. The record and its line are Each's to keep. If Each fails,
	// Verify stops and returns its error.
	Each func(*Record) error
}

// Report is what a log that verifies holds.
type Report struct {
	Records uint64    // how many
	Root    string    // of the tree over them, as a checkpoint spells it
	First   time.Time // of the first record; zero if there is none
	Last    time.Time // of the last
	Signed  uint64    // records under the largest checkpoint; those after it could be cut off unseen

	// Open counts the intents without a result: acts that may have happened.
	// OpenIntents lists the oldest of them, at most 1,000.
	Open        uint64
	OpenIntents []OpenIntent

	// Unfinished counts the bytes after the last record: of a write that is
	// under way, or that a crash cut short. No record there was acknowledged,
	// unless somebody cut the file in the middle of a record that no
	// checkpoint here covers.
	Unfinished int64
}

// OpenIntent is an intent without a result.
type OpenIntent struct {
	Record uint64
	ID     string
	Type   string
	Time   time.Time
}

// Verify reads a log and checks that it is what was written: every record in
// its one form, in its place, linked to the one before, no earlier than it, and
// all of them under the checkpoints. It needs little memory, however long the
// log is. If the log is not what was written, the error is a [*TamperError].
func Verify(log io.Reader, key note.Verifier, o VerifyOptions) (*Report, error) {
	if len(o.Checkpoints) == 0 && !o.InsecureNoCheckpoint {
		return nil, errors.New("audit: no checkpoint to verify against: give one that was kept, such as the file beside the log")
	}
	var cps []checkpoint
	for _, msg := range o.Checkpoints {
		c, err := openCheckpoint(msg, key)
		if err != nil {
			return nil, &TamperError{Kind: Unsigned, Detail: err.Error()}
		}
		cps = append(cps, c)
	}
	slices.SortStableFunc(cps, func(a, b checkpoint) int { return cmp.Compare(a.size, b.size) })
	v := newVerification(log, cps)
	v.each = o.Each
	if err := v.run(); err != nil {
		return nil, err
	}
	return v.report(), nil
}

// VerifyFile verifies the log in the file at path against the checkpoint
// beside it and those in o.
func VerifyFile(path string, key note.Verifier, o VerifyOptions) (*Report, error) {
	// The checkpoint first: the log may grow meanwhile, never shrink.
	msg, err := readCheckpoint(path)
	switch {
	case errors.Is(err, os.ErrNotExist) && o.InsecureNoCheckpoint:
	case errors.Is(err, os.ErrNotExist):
		return nil, &TamperError{Kind: Unsigned, Detail: fmt.Sprintf("%s is missing", checkpointPath(path))}
	case err != nil:
		return nil, fmt.Errorf("audit: reading the checkpoint: %w", err)
	default:
		o.Checkpoints = append(slices.Clone(o.Checkpoints), msg)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("audit: opening the log: %w", err)
	}
	defer f.Close()
	return Verify(f, key, o)
}
