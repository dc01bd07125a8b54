package audit

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"golang.org/x/mod/sumdb/tlog"
)

const (
	maxTracked = 1 << 16 // open intents that are followed to their result
	maxListed  = 1000    // open intents in a report
)

// verification is the state of a walk through a log, up to the newest record
// that was found good.
type verification struct {
	in *bufio.Reader
	chain
	undo   tree      // before the newest record; kept only near a checkpoint
	parent tlog.Hash // what the newest record links to
	first  time.Time
	offset int64 // bytes of good records

	checkpoints  []checkpoint // those ahead, by size
	agreed       uint64       // size of the largest checkpoint behind
	agreedOffset int64

	intents, results uint64
	open             map[recordID]OpenIntent
	untracked        bool // there were more open intents than are followed

	unfinished int64 // bytes behind the last record

	each func(*Record) error // nil: nobody
}

// newVerification begins a walk through log. The checkpoints are sorted by size.
func newVerification(log io.Reader, cps []checkpoint) *verification {
	return &verification{in: bufio.NewReaderSize(log, maxLine+1), checkpoints: cps, open: map[recordID]OpenIntent{}}
}

// run walks through the log. A failing reader is an error, anything in the
// bytes that was not written there is a *TamperError.
func (v *verification) run() error {
	if err := v.compare(); err != nil {
		return err
	}
	for {
		line, err := v.in.ReadSlice('\n')
		switch {
		case err == nil:
			err = v.record(line[:len(line)-1])
			if err == nil {
				continue
			}
			if errors.Is(err, errHole) {
				return v.hole(int64(len(line)))
			}
			return err
		case errors.Is(err, io.EOF):
			return v.end(int64(len(line)))
		case errors.Is(err, bufio.ErrBufferFull):
			if bytes.IndexByte(line, 0) >= 0 {
				return v.hole(int64(len(line)))
			}
			return v.here(Changed, "it is longer than a record can be")
		default:
			return fmt.Errorf("audit: reading the log: %w", err)
		}
	}
}

// errHole is a line with NUL bytes. No record holds one; they are what some
// file systems leave of a write that lost its power.
var errHole = errors.New("audit: a hole in the log")

// hole deals with a line of which NUL bytes are part: an unfinished write, if
// no checkpoint says that it was finished.
func (v *verification) hole(seen int64) error {
	if len(v.checkpoints) > 0 {
		return v.here(Changed, "it has NUL bytes in it, and a signed checkpoint covers it")
	}
	return v.end(seen)
}

// end deals with what follows the last record: nothing, or seen bytes of it and
// whatever else there is.
func (v *verification) end(seen int64) error {
	rest, err := io.Copy(io.Discard, v.in)
	if err != nil {
		return fmt.Errorf("audit: reading the log: %w", err)
	}
	v.unfinished = seen + rest
	if len(v.checkpoints) == 0 {
		return nil
	}
	detail := "the log ends before them, and a signed checkpoint covers them"
	if v.unfinished > 0 {
		detail = "the log breaks off in the first, and a signed checkpoint covers it"
	}
	first, last := v.tree.size+1, v.checkpoints[len(v.checkpoints)-1].size
	return &TamperError{Kind: Truncated, Record: first, Last: last, Line: first, Detail: detail}
}

func (v *verification) record(line []byte) error {
	if len(line) == 0 {
		return v.here(Inserted, "an empty line stands before it")
	}
	h, typ, err := parseRecord(line, nil)
	if err != nil {
		if bytes.IndexByte(line, 0) >= 0 {
			return errHole
		}
		return v.here(Changed, err.Error())
	}
	if h.seq != v.tree.size+1 || h.prev != v.prev {
		return v.misplaced(line, h)
	}
	if h.at.Before(v.last) {
		return v.here(Changed, "it is older than the record before it")
	}
	if err := v.follow(&h, typ); err != nil {
		return err
	}
	if v.tree.size == 0 {
		v.first = h.at
	}
	if len(v.checkpoints) > 0 && v.checkpoints[0].size <= v.tree.size+2 {
		v.undo = v.tree
	}
	v.last = h.at
	v.parent, v.prev = h.prev, tlog.RecordHash(line)
	v.tree.add(v.prev)
	v.offset += int64(len(line)) + 1
	if v.each != nil {
		r, err := readRecord(bytes.Clone(line))
		if err != nil {
			return v.here(Changed, err.Error())
		}
		if err := v.each(r); err != nil {
			return err
		}
	}
	return v.compare()
}

// follow pairs intents and results.
func (v *verification) follow(h *head, typ []byte) error {
	switch h.phase {
	case phaseIntent:
		v.intents++
		if len(v.open) == maxTracked {
			v.untracked = true
			return nil
		}
		v.open[h.id] = OpenIntent{Record: h.seq, ID: string(h.id[:]), Type: string(typ), Time: h.at}
	case phaseResult:
		v.results++
		if _, ok := v.open[h.intent]; !ok && !v.untracked {
			return v.here(Inserted, "it is the result of an intent that is not open")
		}
		delete(v.open, h.intent)
	}
	return nil
}

// compare holds the log so far against the checkpoints of its size.
func (v *verification) compare() error {
	for len(v.checkpoints) > 0 && v.checkpoints[0].size == v.tree.size {
		if v.tree.root() != v.checkpoints[0].root {
			return v.disagreement(v.checkpoints[0])
		}
		v.agreed, v.agreedOffset = v.tree.size, v.offset
		v.checkpoints = v.checkpoints[1:]
	}
	return nil
}

func (v *verification) report() *Report {
	r := &Report{
		Records:    v.tree.size,
		Root:       v.tree.root().String(),
		First:      v.first,
		Last:       v.last,
		Signed:     v.agreed,
		Open:       v.intents - v.results,
		Unfinished: v.unfinished,
	}
	for _, o := range v.open {
		r.OpenIntents = append(r.OpenIntents, o)
	}
	slices.SortFunc(r.OpenIntents, func(a, b OpenIntent) int { return cmp.Compare(a.Record, b.Record) })
	r.OpenIntents = r.OpenIntents[:min(len(r.OpenIntents), maxListed)]
	return r
}
