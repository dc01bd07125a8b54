package mds

import (
	"errors"
	"fmt"
	"time"
)

// ErrNoMetadata is what [Source.Current] returns while there is none: nothing
// was fetched yet, or what there is was refused. The reason follows it.
var ErrNoMetadata = errors.New("mds: there is no metadata")

// StaleError says that the metadata is older than it may be. What was asked of
// it is not known, so a rule that needs it is not fulfilled.
type StaleError struct {
	Number     int
	NextUpdate time.Time     // when the next blob was due
	Allowed    time.Duration // how much later it may be
	Reason     error         // why there is none yet; nil if nobody tried
}

func (e *StaleError) Error() string {
	text := fmt.Sprintf("mds: blob no. %d was to be replaced on %s and may be used for %v more: fetch or install a newer one",
		e.Number, e.NextUpdate.Format(time.DateOnly), e.Allowed)
	if e.Reason != nil {
		text += "; the last attempt failed: " + e.Reason.Error()
	}
	return text
}

func (e *StaleError) Unwrap() error { return e.Reason }

// RollbackError says that a blob with a lower number was offered than was seen
// before. An old blob is signed as well as a new one: it would hide what has
// become known since.
type RollbackError struct {
	Offered, Seen int
	From          string // where the old blob came from
}

func (e *RollbackError) Error() string {
	return fmt.Sprintf("mds: %s has blob no. %d, but no. %d was seen before: an older blob is refused, for it would hide what has become known since",
		e.From, e.Offered, e.Seen)
}

// VerificationError says which check a blob did not pass.
type VerificationError struct {
	Check  string // "form", "header", "certificate", "chain", "host", "signature", "payload" or "revocation"
	Detail string
}

func (e *VerificationError) Error() string {
	return "mds: the blob is refused: " + e.Check + ": " + e.Detail
}

func refused(check, format string, args ...any) error {
	return &VerificationError{Check: check, Detail: fmt.Sprintf(format, args...)}
}
