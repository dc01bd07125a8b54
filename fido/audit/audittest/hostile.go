package audittest

import (
	"bytes"
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lakekey/lakekey/fido/audit"
)

func testTampering(t *testing.T, w *world) {
	w.records(t, 40)
	var line []byte
	w.on(t, func(db audit.Database) {
		must(t, db.Update(t.Context(), func(tx audit.Tx) error {
			return tx.QueryRowContext(t.Context(), "SELECT line FROM audit_records WHERE seq = 17").Scan(&line)
		}))
	})
	is := func(kind audit.Kind, record uint64) {
		t.Helper()
		if te := w.blamed(t); te.Kind != kind || te.Record != record {
			t.Errorf("want record %d %s, got %v", record, kind, te)
		}
	}
	w.exec(t, "UPDATE audit_records SET line = $1 WHERE seq = 17", bytes.Replace(line, []byte(`"user":"16"`), []byte(`"user":"61"`), 1))
	is(audit.Changed, 17)
	w.exec(t, "DELETE FROM audit_records WHERE seq = 17")
	is(audit.Dropped, 17)
	w.exec(t, "INSERT INTO audit_records (seq, line) VALUES (17, $1)", line)
	w.whole(t)
	w.exec(t, "INSERT INTO audit_records (seq, line) VALUES (41, $1)", line)
	if te := w.blamed(t); te.Kind != audit.Duplicated && te.Kind != audit.Inserted {
		t.Errorf("a record behind the newest: %v", te)
	}
	w.refused(t)
	w.exec(t, "DELETE FROM audit_records WHERE seq >= 40")
	is(audit.Truncated, 40)
	w.refused(t)
}

// refused makes sure that nobody continues the log.
func (w *world) refused(t *testing.T) {
	t.Helper()
	db := w.open()
	_, err := audit.OpenSQL(t.Context(), db, w.signer, audit.Options{})
	if _, ok := errors.AsType[*audit.TamperError](err); !ok {
		t.Errorf("opening a log that was tampered with: %v", err)
	}
	must(t, db.Close())
}

func testForgedHead(t *testing.T, w *world) {
	w.records(t, 7)
	stranger, _, _, err := audit.NewSigner("idp.example.com/audit")
	must(t, err)
	_, err = audit.OpenSQL(t.Context(), w.open(), stranger, audit.Options{})
	if te, ok := errors.AsType[*audit.TamperError](err); !ok || te.Kind != audit.Unsigned {
		t.Errorf("opening with another key: %v", err)
	}
	for name, statement := range map[string]string{
		"a smaller size":  "UPDATE audit_head SET size = 6",
		"no peaks":        "UPDATE audit_head SET peaks = checkpoint",
		"no checkpoint":   "UPDATE audit_head SET checkpoint = peaks",
		"no row, records": "DELETE FROM audit_head",
	} {
		w := *w
		l := w.log(t)
		must(t, l.Append(t.Context(), audit.Event{Type: "a"}))
		var size int64
		var peaks, msg []byte
		w.on(t, func(db audit.Database) {
			must(t, db.Update(t.Context(), func(tx audit.Tx) error {
				return tx.QueryRowContext(t.Context(), "SELECT size, peaks, checkpoint FROM audit_head").Scan(&size, &peaks, &msg)
			}))
		})
		w.exec(t, statement)
		other := w.open()
		_, err := audit.OpenSQL(t.Context(), other, w.signer, audit.Options{})
		if _, ok := errors.AsType[*audit.TamperError](err); !ok {
			t.Errorf("%s: opening: %v", name, err)
		}
		must(t, other.Close())
		w.exec(t, "DELETE FROM audit_head")
		w.exec(t, "INSERT INTO audit_head (one, turns, size, peaks, checkpoint) VALUES (1, 0, $1, $2, $3)", size, peaks, msg)
		must(t, l.Close())
	}
	w.whole(t)
}

func testPutBack(t *testing.T, w *world) {
	w.records(t, 5)
	var size int64
	var peaks, msg []byte
	w.on(t, func(db audit.Database) {
		must(t, db.Update(t.Context(), func(tx audit.Tx) error {
			return tx.QueryRowContext(t.Context(), "SELECT size, peaks, checkpoint FROM audit_head").Scan(&size, &peaks, &msg)
		}))
	})
	l := w.log(t)
	must(t, l.Append(t.Context(), audit.Event{Type: "a"}))
	w.exec(t, "UPDATE audit_head SET size = $1, peaks = $2, checkpoint = $3", size, peaks, msg)
	w.exec(t, "DELETE FROM audit_records WHERE seq > 5")
	err := l.Append(t.Context(), audit.Event{Type: "a"})
	te, ok := errors.AsType[*audit.TamperError](err)
	if !ok || te.Kind != audit.Truncated || te.Record != 6 {
		t.Fatalf("a database that is older than it was: %v", err)
	}
	we, ok := errors.AsType[*audit.WriteError](l.Append(t.Context(), audit.Event{Type: "a"}))
	if !ok || we.Temporary {
		t.Fatalf("a log that was tampered with goes on: %v", we)
	}
}

// faulty is a database whose transactions fail when they are told to.
type faulty struct {
	audit.Database
	down atomic.Bool // they do not begin
	lose atomic.Int32
}

var errGone = errors.New("connection reset")

func (f *faulty) Update(ctx context.Context, fn func(audit.Tx) error) error {
	if f.down.Load() {
		return errGone
	}
	err := f.Database.Update(ctx, fn)
	if err == nil && f.lose.Add(-1) >= 0 {
		return errGone
	}
	return err
}

// The database commits, and nobody hears of it.
func testLostAnswer(t *testing.T, w *world) {
	f := &faulty{Database: w.open()}
	l := w.logOn(t, f)
	must(t, l.Append(t.Context(), audit.Event{Type: "before"}))
	for lost := range int32(3) {
		f.lose.Store(lost + 1)
		_, err := l.Begin(t.Context(), audit.Event{Type: "lost", User: "ada"})
		if we, ok := errors.AsType[*audit.WriteError](err); !ok || !we.Temporary || !errors.Is(err, errGone) {
			t.Fatalf("Begin without an answer: %v", err)
		}
		// In between somebody else has a turn.
		other := w.log(t)
		must(t, other.Append(t.Context(), audit.Event{Type: "other"}))
		must(t, other.Close())
		f.lose.Store(0)
		in, err := l.Begin(t.Context(), audit.Event{Type: "kept"})
		must(t, err)
		must(t, in.End(t.Context(), audit.OK, audit.Event{}))
	}
	must(t, l.Close())
	seen := map[string]int{}
	for _, r := range w.whole(t) {
		seen[r.Event.Type+" "+r.Phase+" "+string(r.Event.Outcome)]++
	}
	for what, n := range map[string]int{
		"before event ": 1, "other event ": 3, "kept intent ": 3, "kept result ok": 3,
		"lost intent ": 3, "lost result failed": 3, // the caller did not act
	} {
		if seen[what] != n {
			t.Errorf("%d times %q, want %d; all: %v", seen[what], what, n, seen)
		}
	}
	if r, err := w.verify(t, audit.VerifyOptions{}); err != nil || r.Open != 0 {
		t.Errorf("%+v, %v", r, err)
	}
}

// While the database is away nothing is acknowledged; what had been promised
// before is recorded when it is back.
func testOutage(t *testing.T, w *world) {
	f := &faulty{Database: w.open()}
	l := w.logOn(t, f)
	in, err := l.Begin(t.Context(), audit.Event{Type: "a"})
	must(t, err)
	f.down.Store(true)
	must(t, in.End(t.Context(), audit.OK, audit.Event{}))
	if _, err := l.Begin(t.Context(), audit.Event{Type: "b"}); !errors.Is(err, errGone) {
		t.Fatalf("Begin without a database: %v", err)
	}
	must(t, l.Append(t.Context(), audit.Event{Type: "ceremony.begun"})) // best effort
	f.down.Store(false)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	must(t, l.Append(ctx, audit.Event{Type: "c"}))
	must(t, l.Close())
	r, err := w.verify(t, audit.VerifyOptions{})
	must(t, err)
	if r.Open != 0 || r.Records != 6 { // a: 2, b: 2, ceremony.begun, c
		t.Fatalf("%+v", r)
	}
}
