package audit

import (
	"bytes"
	"math/bits"
	"slices"

	"golang.org/x/mod/sumdb/tlog"
)

// span is a subtree: the leaves from lo up to, not including, hi.
type span struct{ lo, hi uint64 }

// merklePath gathers the hashes of a proof while the leaves go by, in memory that
// does not grow with the log.
type merklePath struct {
	spans []span // in the order of the proof
	trees []tree
}

func newPath(spans []span) *merklePath {
	return &merklePath{spans: spans, trees: make([]tree, len(spans))}
}

// add takes the next leaf; index is from 0.
func (p *merklePath) add(index uint64, leaf tlog.Hash) {
	for i, s := range p.spans {
		if s.lo <= index && index < s.hi {
			p.trees[i].add(leaf) // no two spans overlap
			return
		}
	}
}

// write writes the hashes, one per line.
func (p *merklePath) write(b *bytes.Buffer) {
	for i := range p.trees {
		b.WriteString(p.trees[i].root().String())
		b.WriteByte('\n')
	}
}

// split returns the largest power of two smaller than n, which is at least 2.
func split(n uint64) uint64 { return 1 << (bits.Len64(n-1) - 1) }

// inclusionPath is PATH(m, D[n]) of https://www.rfc-editor.org/rfc/rfc6962#section-2.1.1.
func inclusionPath(m, n uint64) *merklePath {
	var spans []span
	for lo, hi := uint64(0), n; hi-lo > 1; {
		k := lo + split(hi-lo)
		if m < k {
			spans = append(spans, span{k, hi})
			hi = k
		} else {
			spans = append(spans, span{lo, k})
			lo = k
		}
	}
	slices.Reverse(spans) // the sibling of the leaf comes first
	return newPath(spans)
}

// consistencyPath is PROOF(m, D[n]) of https://www.rfc-editor.org/rfc/rfc6962#section-2.1.2.
func consistencyPath(m, n uint64) *merklePath {
	if m == 0 || m == n {
		return newPath(nil)
	}
	var spans []span
	lo, hi, known := uint64(0), n, true // known: the subtree is all of the old log
	for m != hi {
		k := lo + split(hi-lo)
		if m <= k {
			spans = append(spans, span{k, hi})
			hi = k
		} else {
			spans = append(spans, span{lo, k})
			lo, known = k, false
		}
	}
	if !known {
		spans = append(spans, span{lo, hi})
	}
	slices.Reverse(spans)
	return newPath(spans)
}
