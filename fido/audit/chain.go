package audit

import (
	"fmt"
	"sync/atomic"
	"time"

	"golang.org/x/mod/sumdb/tlog"
)

// entry is a record that has no place in a chain yet.
type entry struct {
	at     time.Time
	phase  string
	id     recordID
	intent recordID // of a result
	event  []byte   // canonical JSON
	waited bool     // somebody waits for it

	// settled is set by whoever records how an intent ended that its caller gave
	// up: a second result would be one too many. Only of an intent.
	settled *atomic.Bool
}

// encode returns the canonical JSON of e.
func encode(e *Event) ([]byte, error) { return appendEvent(make([]byte, 0, 512), e) }

// chain is the end of a log: what the next record links to.
type chain struct {
	tree tree      // over every record
	prev tlog.Hash // leaf hash of the newest record
	last time.Time // of the newest record
}

// place makes e the next record and appends its line, without a newline, to dst.
// If it fails nothing has changed.
func (c *chain) place(dst []byte, e *entry) ([]byte, error) {
	at := e.at
	if at.Before(c.last) {
		at = c.last
	}
	start := len(dst)
	h := head{seq: c.tree.size + 1, at: at, phase: e.phase, id: e.id, intent: e.intent, prev: c.prev}
	out := appendRecord(dst, &h, e.event)
	line := out[start:]
	// What Verify would refuse must not get into the log: it could not be
	// opened again.
	if _, _, err := parseRecord(line, nil); err != nil {
		return dst, fmt.Errorf("audit: the record would not verify: %w", err)
	}
	c.prev = tlog.RecordHash(line)
	c.tree.add(c.prev)
	c.last = at
	return out, nil
}

func (c *chain) checkpoint(origin string) checkpoint {
	return checkpoint{origin: origin, size: c.tree.size, root: c.tree.root()}
}
