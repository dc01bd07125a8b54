package notebook

import (
	"bytes"
	"cmp"
	"slices"
	"sort"
)

// edit takes a token out of a file: its first part becomes a placeholder, the others
// nothing.
type edit struct {
	kind       string
	parts, all []literal // all: of the text that it is in
}

// whole is the edit that takes out all of the text.
func (e edit) whole() edit { return edit{kind: e.kind, parts: e.all, all: e.all} }

// apply returns data with all edits done. Those that overlap are done as one.
func apply(data []byte, edits []edit) []byte {
	type change struct {
		literal
		to string
	}
	var changes []change
	for _, e := range edits {
		for i, p := range e.parts {
			c := change{literal: p}
			if i == 0 {
				c.to = placeholder(e.kind)
			}
			changes = append(changes, c)
		}
	}
	slices.SortStableFunc(changes, func(a, b change) int { return cmp.Compare(a.start, b.start) })
	out := make([]byte, 0, len(data))
	done := 0
	for _, c := range changes {
		if c.start < done { // it was part of another, when whole texts go
			continue
		}
		out = append(append(out, data[done:c.start]...), c.to...)
		done = c.end
	}
	return append(out, data[done:]...)
}

// lines knows where the lines of a file begin.
type lines []int

func newLines(data []byte) lines {
	l := lines{0}
	for i := 0; ; {
		n := bytes.IndexByte(data[i:], '\n')
		if n < 0 {
			return l
		}
		i += n + 1
		l = append(l, i)
	}
}

// position is the line and the column of an offset, counted from 1.
func (l lines) position(at int) (line, column int) {
	line = sort.SearchInts(l, at+1)
	return line, at - l[line-1] + 1
}
