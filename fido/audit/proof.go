package audit

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// Inclusion is what a proof of [ProveRecord] shows.
type Inclusion struct {
	Record  *Record
	Records uint64 // under the checkpoint
	Root    string // over them, as a checkpoint spells it
}

const (
	proofHeader = "c2sp.org/tlog-proof@v1"
	maxProof    = 256 << 10 // bytes: a record in base64, 63 hashes and a checkpoint
)

// ProveRecord reads a log and returns a proof that record n, counted from 1, is one
// of those under the checkpoint. With it [CheckRecord] can tell without the log,
// so that one record can be shown to somebody who must not see the others.
//
// The proof is in the form of https://c2sp.org/tlog-proof, with the line of the
// record as its extra data. The log is verified on the way; if it is not what was
// written, the error is a [*TamperError].
func ProveRecord(log io.Reader, key note.Verifier, checkpoint []byte, n uint64) ([]byte, error) {
	c, err := openCheckpoint(checkpoint, key)
	if err != nil {
		return nil, &TamperError{Kind: Unsigned, Detail: err.Error()}
	}
	if n == 0 || n > c.size {
		return nil, fmt.Errorf("audit: record %d is not one of the %d under the checkpoint: take a newer checkpoint, or a number from 1", n, c.size)
	}
	path := inclusionPath(n-1, c.size)
	var line []byte
	_, err = Verify(log, key, VerifyOptions{Checkpoints: [][]byte{checkpoint}, Each: func(r *Record) error {
		if r.Number == n {
			line = r.Line
		}
		path.add(r.Number-1, tlog.RecordHash(r.Line))
		return nil
	}})
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s\nextra %s\nindex %d\n", proofHeader, base64.StdEncoding.EncodeToString(line), n-1)
	path.write(&b)
	b.WriteByte('\n')
	b.Write(checkpoint)
	return b.Bytes(), nil
}

var errProofForm = errors.New("audit: this is not a proof in the form of c2sp.org/tlog-proof with a record in it")

// CheckRecord checks a proof that [ProveRecord] made against the key of the log.
func CheckRecord(proof []byte, key note.Verifier) (*Inclusion, error) {
	if len(proof) > maxProof {
		return nil, errProofForm
	}
	text, checkpoint, ok := bytes.Cut(proof, []byte("\n\n"))
	lines := strings.Split(string(text), "\n")
	if !ok || len(lines) < 3 || lines[0] != proofHeader {
		return nil, errProofForm
	}
	extra, ok1 := strings.CutPrefix(lines[1], "extra ")
	number, ok2 := strings.CutPrefix(lines[2], "index ")
	line, err1 := base64.StdEncoding.Strict().DecodeString(extra)
	index, err2 := canonicalSize(number)
	path, err3 := parseHashes(lines[3:])
	if !ok1 || !ok2 || errors.Join(err1, err2, err3) != nil {
		return nil, errProofForm
	}
	r, err := readRecord(line)
	if err != nil {
		return nil, fmt.Errorf("audit: the record in the proof: %w", err)
	}
	if r.Number != index+1 {
		return nil, fmt.Errorf("audit: the proof is of record %d and holds record %d", index+1, r.Number)
	}
	c, err := openCheckpoint(checkpoint, key)
	if err != nil {
		return nil, err
	}
	if index >= c.size {
		return nil, fmt.Errorf("audit: record %d is not one of the %d under the checkpoint", r.Number, c.size)
	}
	if err := tlog.CheckRecord(path, int64(c.size), c.root, int64(index), tlog.RecordHash(line)); err != nil {
		return nil, fmt.Errorf("audit: record %d is not under the checkpoint, as it stands here", r.Number)
	}
	return &Inclusion{Record: r, Records: c.size, Root: c.root.String()}, nil
}

// canonicalSize reads a number that is spelled in the one way.
func canonicalSize(s string) (uint64, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 || strconv.FormatInt(n, 10) != s {
		return 0, errProofForm
	}
	return uint64(n), nil
}

func parseHashes(lines []string) (tlog.RecordProof, error) {
	if len(lines) > 64 {
		return nil, errProofForm
	}
	var all tlog.RecordProof
	for _, l := range lines {
		b, err := base64.StdEncoding.Strict().DecodeString(l)
		if err != nil || len(b) != tlog.HashSize {
			return nil, errProofForm
		}
		all = append(all, tlog.Hash(b))
	}
	return all, nil
}
