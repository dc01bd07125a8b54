package audit

import (
	"math/bits"

	"golang.org/x/mod/sumdb/tlog"
)

// tree is the right edge of the Merkle tree over all records so far: what is
// needed to add a leaf and to compute the root, in memory that does not grow.
//
// Hashes are those of RFC 6962 and tlog: https://www.rfc-editor.org/rfc/rfc6962#section-2.1
type tree struct {
	size  uint64
	peaks [64]tlog.Hash // peaks[i] roots the perfect subtree of 2^i leaves, where bit i of size is set
}

func (t *tree) add(leaf tlog.Hash) {
	h := leaf
	level := 0
	for ; t.size>>level&1 == 1; level++ {
		h = tlog.NodeHash(t.peaks[level], h)
	}
	t.peaks[level] = h
	t.size++
}

func (t *tree) root() tlog.Hash {
	if t.size == 0 {
		h, _ := tlog.TreeHash(0, nil) // reads nothing, so cannot fail
		return h
	}
	level := bits.TrailingZeros64(t.size)
	h := t.peaks[level]
	for level++; level < 64; level++ {
		if t.size>>level&1 == 1 {
			h = tlog.NodeHash(t.peaks[level], h)
		}
	}
	return h
}
