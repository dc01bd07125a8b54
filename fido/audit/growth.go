package audit

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// Growth is what a proof of [ProveGrowth] shows: the log under the second
// checkpoint begins with all records under the first, unchanged and in their
// order, and has exactly To-From more.
type Growth struct {
	From, To         uint64 // records under the checkpoints
	FromRoot, ToRoot string
}

// ProveGrowth reads a log and returns a proof that what stands between two of its
// checkpoints is whole: nothing that the first covers was changed, dropped or
// moved before the second was made. With it [CheckGrowth] can tell without the
// log.
//
// The proof is in the form of what https://c2sp.org/tlog-witness has a witness
// asked with. The log is verified on the way; if it is not what was written, the
// error is a [*TamperError].
func ProveGrowth(log io.Reader, key note.Verifier, from, to []byte) ([]byte, error) {
	c1, err := openCheckpoint(from, key)
	if err != nil {
		return nil, &TamperError{Kind: Unsigned, Detail: err.Error()}
	}
	c2, err := openCheckpoint(to, key)
	if err != nil {
		return nil, &TamperError{Kind: Unsigned, Detail: err.Error()}
	}
	if c1.size > c2.size {
		return nil, fmt.Errorf("audit: the first checkpoint covers %d records and the second %d: give the older one first", c1.size, c2.size)
	}
	path := consistencyPath(c1.size, c2.size)
	_, err = Verify(log, key, VerifyOptions{Checkpoints: [][]byte{from, to}, Each: func(r *Record) error {
		path.add(r.Number-1, tlog.RecordHash(r.Line))
		return nil
	}})
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "old %d\n", c1.size)
	path.write(&b)
	b.WriteByte('\n')
	b.Write(to)
	return b.Bytes(), nil
}

// CheckGrowth checks a proof that [ProveGrowth] made against the key of the log
// and the first checkpoint, which must come from where the log's writer could
// not change it.
func CheckGrowth(proof []byte, key note.Verifier, from []byte) (*Growth, error) {
	malformed := fmt.Errorf("audit: this is not a proof of growth in the form of c2sp.org/tlog-witness")
	if len(proof) > maxProof {
		return nil, malformed
	}
	text, to, ok := bytes.Cut(proof, []byte("\n\n"))
	lines := strings.Split(string(text), "\n")
	number, ok2 := strings.CutPrefix(lines[0], "old ")
	old, err1 := canonicalSize(number)
	path, err2 := parseHashes(lines[1:])
	if !ok || !ok2 || err1 != nil || err2 != nil {
		return nil, malformed
	}
	c1, err := openCheckpoint(from, key)
	if err != nil {
		return nil, err
	}
	c2, err := openCheckpoint(to, key)
	if err != nil {
		return nil, err
	}
	if old != c1.size || c1.size > c2.size {
		return nil, fmt.Errorf("audit: the proof leads from %d records to %d, and the checkpoint covers %d", old, c2.size, c1.size)
	}
	if !consistent(tlog.TreeProof(path), c1, c2) {
		return nil, fmt.Errorf("audit: the log under the checkpoint over %d records does not begin with the %d of the other", c2.size, c1.size)
	}
	return &Growth{From: c1.size, To: c2.size, FromRoot: c1.root.String(), ToRoot: c2.root.String()}, nil
}

// consistent is tlog.CheckTree, and the two cases it leaves to its caller: every
// log begins with the empty one, and with itself.
func consistent(path tlog.TreeProof, from, to checkpoint) bool {
	switch {
	case from.size == 0:
		return len(path) == 0 && from.root == (&tree{}).root()
	case from.size == to.size:
		return len(path) == 0 && from.root == to.root
	}
	return tlog.CheckTree(path, int64(to.size), to.root, int64(from.size), from.root) == nil
}
