package audit

import (
	"fmt"

	"golang.org/x/mod/sumdb/tlog"
)

// The functions here are called when the walk cannot go on. They may read
// ahead, for nothing is read after them, and find out which record is to blame.

// here blames the record that should come next.
func (v *verification) here(kind Kind, detail string) error {
	return v.blame(kind, v.tree.size+1, v.tree.size+1, detail)
}

func (v *verification) blame(kind Kind, record, line uint64, detail string) error {
	return &TamperError{Kind: kind, Record: record, Last: record, Line: line, Detail: detail}
}

// next reads one more line and says whether it is a record.
func (v *verification) next() (h head, leaf tlog.Hash, more, ok bool) {
	line, err := v.in.ReadSlice('\n')
	if err != nil {
		return head{}, tlog.Hash{}, false, false
	}
	line = line[:len(line)-1]
	h, _, err = parseRecord(line, nil)
	if err != nil {
		return head{}, tlog.Hash{}, true, false
	}
	return h, tlog.RecordHash(line), true, true
}

// misplaced explains a record that is well formed and does not continue the log.
func (v *verification) misplaced(line []byte, h head) error {
	n, leaf := v.tree.size+1, tlog.RecordHash(line)
	switch {
	case h.prev == v.prev:
		return v.here(Changed, fmt.Sprintf("it follows record %d and says that it is record %d", n-1, h.seq))
	case h.seq == n:
		return v.brokenLink(h, leaf)
	case h.seq > n:
		return v.tooEarly(h, leaf)
	default:
		return v.again(h, leaf)
	}
}

// brokenLink: record n does not link to record n-1 as it stands. Either was
// changed, by somebody who mended its checksum.
func (v *verification) brokenLink(h head, leaf tlog.Hash) error {
	const (
		link   = "its link is not the hash of the record before it"
		linked = "the record after it links to something else"
	)
	n := v.tree.size + 1
	if v.agreed == n-1 {
		return v.here(Changed, link) // a checkpoint vouches for n-1, the empty log being one
	}
	if len(v.checkpoints) > 0 && v.checkpoints[0].size == n {
		// The checkpoint knows what n-1 hashed to, if n still says it.
		was := v.undo
		was.add(h.prev)
		was.add(leaf)
		if was.root() == v.checkpoints[0].root {
			return v.blame(Changed, n-1, n-1, linked)
		}
	}
	after, _, _, ok := v.next()
	switch {
	case ok && after.prev == leaf:
		return v.blame(Changed, n-1, n-1, linked)
	case ok:
		return v.here(Changed, link)
	}
	return &TamperError{Kind: Changed, Record: n - 1, Last: n, Line: n - 1, Detail: "the second does not link to the first, and nothing behind tells which of the two was changed"}
}

// tooEarly: a record of a later number stands where n should.
func (v *verification) tooEarly(h head, leaf tlog.Hash) error {
	n := v.tree.size + 1
	var found uint64       // the line of the record that belongs here
	var twin, forgery bool // the early record comes again, the same or another
	for line := n + 1; ; line++ {
		other, otherLeaf, more, ok := v.next()
		if !more {
			break
		}
		if !ok {
			continue
		}
		if found == 0 && other.seq == n && other.prev == v.prev {
			found = line
		}
		if other.seq == h.seq {
			twin, forgery = otherLeaf == leaf, otherLeaf != leaf
		}
	}
	switch {
	case found == 0:
		return &TamperError{Kind: Dropped, Record: n, Last: h.seq - 1, Line: n, Detail: fmt.Sprintf("record %d follows record %d", h.seq, n-1)}
	case found > n+1:
		return v.blame(Reordered, n, found, fmt.Sprintf("it stands at line %d, and record %d in its place", found, h.seq))
	case twin:
		return v.blame(Duplicated, h.seq, n, fmt.Sprintf("it stands also at line %d", n))
	case forgery:
		return v.blame(Inserted, h.seq, n, fmt.Sprintf("line %d calls itself by the number of another record", n))
	default:
		return v.blame(Reordered, h.seq, n, fmt.Sprintf("it stands at line %d", n))
	}
}

// again: a record has a number that an earlier one has.
func (v *verification) again(h head, leaf tlog.Hash) error {
	n := v.tree.size + 1
	switch {
	case leaf == v.prev:
		return v.blame(Duplicated, h.seq, n, "it stands twice in a row")
	case h.seq == n-1 && h.prev == v.parent:
		// Two records claim one place. What comes next knows the true one.
		if after, _, _, ok := v.next(); ok && after.prev == leaf {
			return v.blame(Inserted, h.seq, n-1, fmt.Sprintf("the record that belongs there stands at line %d", n))
		}
		return v.blame(Inserted, h.seq, n, fmt.Sprintf("the record of that number stands at line %d", n-1))
	default:
		return v.blame(Duplicated, h.seq, n, fmt.Sprintf("line %d has the number of an earlier record", n))
	}
}

// disagreement: all records agree with each other, and not with c, which is of
// their number.
func (v *verification) disagreement(c checkpoint) error {
	n := v.tree.size
	if n == 0 {
		return &TamperError{Kind: Unsigned, Detail: "a checkpoint of the empty log has another root than the empty log has"}
	}
	if after, _, _, ok := v.next(); ok && after.prev != v.prev {
		was := v.undo
		was.add(after.prev)
		if was.root() == c.root {
			return v.blame(Changed, n, n, "the record after it links to what it was, and so does a signed checkpoint")
		}
	}
	return &TamperError{
		Kind: Rewritten, Record: v.agreed + 1, Last: n, Line: v.agreed + 1,
		Detail: fmt.Sprintf("they agree with each other and not with the signed checkpoint over %d records", n),
	}
}
