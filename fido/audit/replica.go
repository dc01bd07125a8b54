package audit

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const (
	sharedTimeout = 15 * time.Second // of one transaction
	firstRetry    = 50 * time.Millisecond
	maxRetry      = 2 * time.Second
)

// replica is one of the programs that write the log in a database. Only the
// committing goroutine uses it.
type replica struct {
	db     Database
	signer note.Signer
	mine   signedChain // after our latest transaction
	seen   uint64      // the most records that there have been
	doubt  *doubt      // nil: there is none
}

// signedChain is the end of the log with the checkpoint over it.
type signedChain struct {
	chain
	msg []byte
}

// doubt is a transaction of which only the database knows whether it was
// committed: the answer was lost.
type doubt struct {
	entries int // that it placed, the first of those that wait
	seq     uint64
	leaf    tlog.Hash // of record seq, if it was
	lines   []byte
}

// committed is what a transaction has done.
type committed struct {
	lines   []byte // that are known to be in the log now
	msg     []byte // the newest checkpoint
	settled int    // entries that an earlier transaction had placed, as is known now
}

// open returns the newest checkpoint.
func (r *replica) open(ctx context.Context) ([]byte, error) {
	empty, err := (&chain{}).checkpoint(r.signer.Name()).sign(r.signer)
	if err != nil {
		return nil, err
	}
	var end signedChain
	var tampered *TamperError
	err = r.db.Update(ctx, func(tx Tx) error {
		if _, err := tx.ExecContext(ctx, "INSERT INTO audit_head (one, turns, size, peaks, checkpoint) VALUES (1, 0, 0, $1, $2) ON CONFLICT DO NOTHING", []byte{}, empty); err != nil {
			return failedSQL(ctx, "starting a log", err)
		}
		var err error
		if end, err = r.lock(ctx, tx); err == nil {
			var newest int64
			err = tx.QueryRowContext(ctx, "SELECT coalesce(max(seq), 0) FROM audit_records").Scan(&newest)
			if err == nil {
				err = behind(int64(end.tree.size), newest)
			}
		}
		tampered, _ = errors.AsType[*TamperError](err)
		return err
	})
	switch {
	case tampered != nil: // whatever the database makes of it
		return nil, tampered
	case err != nil:
		return nil, failedSQL(ctx, "opening the log", err)
	}
	return end.msg, nil
}

// lock waits until no other program writes the log, keeps others from it until
// the transaction is over, and returns where the log ends.
func (r *replica) lock(ctx context.Context, tx Tx) (signedChain, error) {
	var size int64
	var peaks, msg []byte
	// An update takes the lock of the row in every database, and reads what the
	// one before has left.
	err := tx.QueryRowContext(ctx, "UPDATE audit_head SET turns = turns + 1 WHERE one = 1 RETURNING size, peaks, checkpoint").Scan(&size, &peaks, &msg)
	if errors.Is(err, sql.ErrNoRows) {
		return signedChain{}, &TamperError{Kind: Unsigned, Detail: "the row with the newest checkpoint is gone from audit_head"}
	}
	if err != nil {
		return signedChain{}, failedSQL(ctx, "taking a turn", err)
	}
	if r.mine.msg != nil && bytes.Equal(msg, r.mine.msg) {
		return r.mine, nil
	}
	if err := r.recognise(size, peaks, msg); err != nil {
		return signedChain{}, err
	}
	end := signedChain{msg: msg}
	end.tree, _ = unmarshalPeaks(uint64(size), peaks)
	if size == 0 {
		return end, nil
	}
	line, err := recordAt(ctx, tx, uint64(size))
	if err != nil {
		return signedChain{}, err
	}
	h, _, err := parseRecord(line, nil)
	if err != nil || h.seq != end.tree.size {
		return signedChain{}, &TamperError{Kind: Changed, Record: end.tree.size, Last: end.tree.size, Line: end.tree.size, Detail: "the newest record is not what was written"}
	}
	end.prev, end.last = tlog.RecordHash(line), h.at
	// Where the tree ends in a single leaf, that is the newest record's.
	if end.tree.size&1 == 1 && end.tree.peaks[0] != end.prev {
		return signedChain{}, &TamperError{Kind: Changed, Record: end.tree.size, Last: end.tree.size, Line: end.tree.size, Detail: "the newest record is not the one that a signed checkpoint covers"}
	}
	return end, nil
}

// recognise makes sure that what the head row says was signed by this log's key,
// by signing it again, and is no older than what has been seen.
func (r *replica) recognise(size int64, peaks, msg []byte) error {
	unsigned := func(detail string) error { return &TamperError{Kind: Unsigned, Detail: detail} }
	text, _, _ := bytes.Cut(msg, []byte("\n\n"))
	c, err := parseCheckpoint(string(text) + "\n")
	if err != nil {
		return unsigned("audit_head: " + err.Error())
	}
	if c.origin != r.signer.Name() {
		return unsigned(fmt.Sprintf("audit_head holds the log %q, not %q: each log has a database, or a schema, of its own", c.origin, r.signer.Name()))
	}
	again, err := c.sign(r.signer)
	if err != nil {
		return err
	}
	t, ok := unmarshalPeaks(c.size, peaks)
	if !bytes.Equal(again, msg) || !ok || size != int64(c.size) || t.root() != c.root {
		return unsigned("audit_head is not signed by the key of this log; programs that share a log share its key")
	}
	if c.size < r.seen {
		return &TamperError{Kind: Truncated, Record: c.size + 1, Last: r.seen, Line: c.size + 1, Detail: "the database is older than it was: a copy was put back"}
	}
	return nil
}

// recordAt reads a record that must be there.
func recordAt(ctx context.Context, tx Tx, seq uint64) (line []byte, err error) {
	err = tx.QueryRowContext(ctx, "SELECT line FROM audit_records WHERE seq = $1", int64(seq)).Scan(&line)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, &TamperError{Kind: Truncated, Record: seq, Last: seq, Line: seq, Detail: "it is gone from the database, and a signed checkpoint covers it"}
	}
	if err != nil {
		return nil, failedSQL(ctx, "reading the newest record", err)
	}
	return line, nil
}

// commit places the entries behind whatever the log ends with and makes them
// durable. Its result says something even if it fails.
func (r *replica) commit(ctx context.Context, entries []entry) (committed, error) {
	var (
		out      committed
		end      signedChain
		lines    []byte
		finished bool
		tampered *TamperError
	)
	err := r.db.Update(ctx, func(tx Tx) error {
		finished, lines = false, nil
		var err error
		if end, err = r.lock(ctx, tx); err == nil {
			if err = r.settle(ctx, tx, end.tree.size, &out); err == nil {
				lines, err = r.write(ctx, tx, &end, entries[out.settled:])
			}
		}
		tampered, _ = errors.AsType[*TamperError](err)
		finished = err == nil
		return err
	})
	switch {
	case tampered != nil: // whatever the database makes of it
		return out, tampered
	case err != nil:
		if finished && len(lines) > 0 {
			r.doubt = &doubt{entries: len(entries) - out.settled, seq: end.tree.size, leaf: end.prev, lines: lines}
		}
		return out, err
	}
	r.mine, r.seen = end, end.tree.size
	out.lines, out.msg = append(out.lines, lines...), end.msg
	return out, nil
}

// settle finds out whether the transaction in doubt was committed. It cannot be
// under way still: it would hold the lock that we have.
func (r *replica) settle(ctx context.Context, tx Tx, size uint64, out *committed) error {
	d := r.doubt
	if d == nil {
		return nil
	}
	if d.seq <= size {
		line, err := recordAt(ctx, tx, d.seq)
		if err != nil {
			return err
		}
		if tlog.RecordHash(line) == d.leaf {
			out.settled, out.lines = d.entries, d.lines
		}
	}
	r.doubt = nil
	return nil
}

// write places the entries, inserts them and moves the head behind them.
func (r *replica) write(ctx context.Context, tx Tx, end *signedChain, entries []entry) (lines []byte, err error) {
	if len(entries) == 0 {
		return nil, nil
	}
	args := make([]any, 0, 2*len(entries))
	for i := range entries {
		start := len(lines)
		if lines, err = end.place(lines, &entries[i]); err != nil {
			return nil, err
		}
		args = append(args, int64(end.tree.size), bytes.Clone(lines[start:]))
		lines = append(lines, '\n')
	}
	for len(args) > 0 {
		n := rowsAtOnce(len(args) / 2)
		if _, err := tx.ExecContext(ctx, inserts[n], args[:2*n]...); err != nil {
			return nil, failedSQL(ctx, "inserting records", err)
		}
		args = args[2*n:]
	}
	end.msg, err = end.checkpoint(r.signer.Name()).sign(r.signer)
	if err != nil {
		return nil, err
	}
	_, err = tx.ExecContext(ctx, "UPDATE audit_head SET size = $1, peaks = $2, checkpoint = $3 WHERE one = 1", int64(end.tree.size), marshalPeaks(&end.tree), end.msg)
	if err != nil {
		return nil, failedSQL(ctx, "moving the head", err)
	}
	return lines, nil
}

// inserts are the statements that insert so many records: few, so that they can
// stay prepared.
var inserts = map[int]string{1: insert(1), 8: insert(8), 64: insert(64), 512: insert(512)}

func rowsAtOnce(left int) int {
	for _, n := range [...]int{512, 64, 8} {
		if n <= left {
			return n
		}
	}
	return 1
}

func insert(rows int) string {
	var b strings.Builder
	b.WriteString("INSERT INTO audit_records (seq, line) VALUES ")
	for i := range rows {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "($%d,$%d)", 2*i+1, 2*i+2)
	}
	return b.String()
}

// commitShared commits a batch of a log that others write too. If that fails for
// now, no record is given up: those who wait are told, and what they wanted
// recorded is tried again with the next batch.
func (l *Log) commitShared(b *batch) {
	ctx, cancel := context.WithTimeout(context.Background(), sharedTimeout)
	defer cancel()
	l.mu.Lock()
	b.err = l.failed
	l.mu.Unlock()
	defer close(b.done)
	if b.err != nil {
		return
	}
	out, err := l.shared.commit(ctx, b.entries)
	l.mirror.offer(out.lines)
	tampered, _ := errors.AsType[*TamperError](err)
	switch {
	case tampered != nil:
		b.err = l.fail(tampered)
	case err != nil:
		l.logger.Error("the audit log could not be written", "error", err)
		b.err = &WriteError{Err: err, Temporary: l.carry(b.entries[out.settled:])}
	default:
		b.checkpoint = out.msg
		l.mu.Lock()
		l.pause = 0
		l.mu.Unlock()
		l.send(out.msg)
	}
}

// carry puts entries in front of those that wait, unless nobody will write them
// any more. Intents among them will not be acted upon, for their callers are told.
func (l *Log) carry(entries []entry) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pause = min(max(2*l.pause, firstRetry), maxRetry)
	if l.closed {
		return false
	}
	carried := entries[:len(entries):len(entries)]
	for i := range entries {
		e := &entries[i]
		if e.settled != nil && !e.settled.Swap(true) {
			carried = append(carried, entry{at: e.at, phase: phaseResult, id: newRecordID(), intent: e.id, event: givenUpEvent(e.event)})
		}
		e.waited, e.settled = false, nil
	}
	b := l.batch()
	b.entries = append(carried, b.entries...)
	b.bytes = 0
	for i := range b.entries {
		b.bytes += len(b.entries[i].event)
	}
	return true
}

// givenUpEvent returns the result of an intent that its caller gave up.
func givenUpEvent(intent []byte) []byte {
	var e Event
	r := reader{b: intent}
	r.event(&e)
	e.Outcome, e.Reason = Failed, givenUp
	event, err := encode(&e)
	if err != nil { // not of an event that was encoded before
		return intent
	}
	return event
}
