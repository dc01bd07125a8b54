package audit

import (
	"bufio"
	"bytes"
	"io"
	"maps"
	"os"
	"testing"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type File = file

const (
	MaxLine    = maxLine
	MaxPending = maxPending
)

// Pending is how many bytes wait for the commit under way.
func Pending(l *Log) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.pending == nil {
		return 0
	}
	return len(l.pending.buf)
}

// OpenFileOn opens a log whose file can be made to fail.
func OpenFileOn(path string, signer note.Signer, o Options, wrap func(*os.File) File) (*Log, error) {
	return openFile(path, signer, o, wrap)
}

// Line returns the canonical line of an event on its own.
func Line(e Event) ([]byte, error) {
	event, err := appendEvent(nil, &e)
	if err != nil {
		return nil, err
	}
	id := newRecordID()
	h := head{seq: 1, phase: phaseEvent, id: id}
	line := appendRecord(nil, &h, event)
	_, _, err = parseRecord(line, nil)
	return line, err
}

// EventOf reads the event of a line back.
func EventOf(t testing.TB, line []byte) (e Event) {
	t.Helper()
	if _, _, err := parseRecord(line, &e); err != nil {
		t.Fatal(err)
	}
	return e
}

// Reseal gives a line that was changed the checksum that fits it, as somebody
// would who knows the format.
func Reseal(line []byte) []byte {
	body := line[:len(line)-crcTail]
	return appendChecksum(bytes.Clone(body), body)
}

// Relink makes a changed log consistent again from record k on (counted from
// 1): what somebody does who rewrites history.
func Relink(lines [][]byte, k int) {
	for i := max(k-1, 0); i < len(lines); i++ {
		h, _, err := parseRecord(lines[i], nil)
		if err != nil {
			return
		}
		h.seq, h.prev = uint64(i+1), tlog.Hash{}
		if i > 0 {
			h.prev = tlog.RecordHash(lines[i-1])
		}
		at := bytes.Index(lines[i], []byte(eventKey)) + len(eventKey)
		lines[i] = appendRecord(nil, &h, lines[i][at:len(lines[i])-crcTail])
	}
}

// Walk verifies changed logs from the record on that was changed, which is what
// makes it possible to try every change.
type Walk struct{ states []verification }

// Reader is memory that calls of From share.
type Reader struct{ b *bufio.Reader }

func NewReader() Reader { return Reader{bufio.NewReaderSize(nil, maxLine+1)} }

func NewWalk(log []byte, size uint64, root tlog.Hash) (*Walk, error) {
	w := &Walk{}
	v := newVerification(nil, []checkpoint{{size: size, root: root}})
	for line := range bytes.Lines(log) {
		w.states = append(w.states, v.clone())
		if err := v.record(line[:len(line)-1]); err != nil {
			return nil, err
		}
	}
	return w, nil
}

func (v *verification) clone() verification {
	c := *v
	c.open = maps.Clone(v.open)
	return c
}

// From verifies a log of which the first k records are as they were, and rest
// follows.
func (w *Walk) From(k int, rest io.Reader, r Reader) error {
	v := w.states[k].clone()
	v.in = r.b
	v.in.Reset(rest)
	return v.run()
}

// Root computes the root of the lines with package tlog's own storage.
func Root(lines [][]byte) (tlog.Hash, error) {
	var stored []tlog.Hash
	read := tlog.HashReaderFunc(func(ix []int64) ([]tlog.Hash, error) {
		out := make([]tlog.Hash, len(ix))
		for i, x := range ix {
			out[i] = stored[x]
		}
		return out, nil
	})
	for i, l := range lines {
		hs, err := tlog.StoredHashes(int64(i), l, read)
		if err != nil {
			return tlog.Hash{}, err
		}
		stored = append(stored, hs...)
	}
	return tlog.TreeHash(int64(len(lines)), read)
}

// TreeRoot computes the same with the tree of this package.
func TreeRoot(lines [][]byte) tlog.Hash {
	var t tree
	for _, l := range lines {
		t.add(tlog.RecordHash(l))
	}
	return t.root()
}
