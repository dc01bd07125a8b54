package audittest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/lakekey/lakekey/fido/audit"
)

// TestDatabase runs the suite. open prepares an empty database and returns a
// function that opens it, each time as another program would.
func TestDatabase(t *testing.T, open func(*testing.T) func() audit.Database) {
	for name, test := range map[string]func(*testing.T, *world){
		"replicas write one chain":              testReplicas,
		"a log is continued":                    testReopening,
		"nothing a transaction began stays":     testRollback,
		"a changed database is named":           testTampering,
		"a head that nobody signed is refused":  testForgedHead,
		"a copy that was put back is noticed":   testPutBack,
		"a lost answer doubles nothing":         testLostAnswer,
		"an outage costs nothing but patience":  testOutage,
		"a context ends a wait, not the record": testGivingUp,
	} {
		t.Run(name, func(t *testing.T) {
			signer, verifier, _, err := audit.NewSigner("idp.example.com/audit")
			must(t, err)
			key, err := note.NewVerifier(verifier)
			must(t, err)
			test(t, &world{open: open(t), signer: signer, key: key})
		})
	}
}

// world is an empty database and the key of its log.
type world struct {
	open   func() audit.Database
	signer note.Signer
	key    note.Verifier
}

func (w *world) log(t *testing.T) *audit.Log {
	t.Helper()
	return w.logOn(t, w.open())
}

func (w *world) logOn(t *testing.T, db audit.Database) *audit.Log {
	t.Helper()
	l, err := audit.OpenSQL(t.Context(), db, w.signer, audit.Options{})
	must(t, err)
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// on runs fn on the database itself.
func (w *world) on(t *testing.T, fn func(audit.Database)) {
	t.Helper()
	db := w.open()
	fn(db)
	must(t, db.Close())
}

// exec changes the database as somebody would who has its password.
func (w *world) exec(t *testing.T, statement string, args ...any) {
	t.Helper()
	w.on(t, func(db audit.Database) {
		must(t, db.Update(t.Context(), func(tx audit.Tx) error {
			_, err := tx.ExecContext(t.Context(), statement, args...)
			return err
		}))
	})
}

func (w *world) verify(t *testing.T, o audit.VerifyOptions) (r *audit.Report, err error) {
	t.Helper()
	w.on(t, func(db audit.Database) { r, err = audit.VerifySQL(t.Context(), db, w.key, o) })
	return r, err
}

// whole returns the records of a log that verifies.
func (w *world) whole(t *testing.T) (all []*audit.Record) {
	t.Helper()
	r, err := w.verify(t, audit.VerifyOptions{Each: func(r *audit.Record) error {
		all = append(all, r)
		return nil
	}})
	must(t, err)
	if r.Records != r.Signed || r.Records != uint64(len(all)) {
		t.Fatalf("%d records, %d of them signed, %d read", r.Records, r.Signed, len(all))
	}
	return all
}

// blamed returns what verifying says of a log that was tampered with.
func (w *world) blamed(t *testing.T) *audit.TamperError {
	t.Helper()
	_, err := w.verify(t, audit.VerifyOptions{})
	te, ok := errors.AsType[*audit.TamperError](err)
	if !ok {
		t.Fatalf("want a *TamperError, got %v", err)
	}
	return te
}

func (w *world) records(t *testing.T, n int) {
	t.Helper()
	l := w.log(t)
	for i := range n {
		must(t, l.Append(t.Context(), audit.Event{Type: "a", User: fmt.Sprint(i)}))
	}
	must(t, l.Close())
}

func testReplicas(t *testing.T, w *world) {
	const replicas, writers, each = 3, 6, 20
	var wg sync.WaitGroup
	var logs []*audit.Log
	for r := range replicas {
		l := w.log(t)
		logs = append(logs, l)
		for g := range writers {
			wg.Go(func() {
				for n := range each {
					in, err := l.Begin(t.Context(), audit.Event{Type: "a", User: fmt.Sprintf("%d-%d-%d", r, g, n)})
					if err == nil {
						err = in.End(t.Context(), audit.OK, audit.Event{})
					}
					if err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
	}
	wg.Wait()
	var kept [][]byte
	for _, l := range logs {
		msg, err := l.Checkpoint(t.Context())
		must(t, err)
		kept = append(kept, msg)
		must(t, l.Close())
	}
	if all := w.whole(t); len(all) != 2*replicas*writers*each {
		t.Errorf("%d records, want %d", len(all), 2*replicas*writers*each)
	}
	_, err := w.verify(t, audit.VerifyOptions{Checkpoints: kept})
	must(t, err)
}

func testReopening(t *testing.T, w *world) {
	w.records(t, 5)
	w.records(t, 1500) // more than one insert takes
	w.records(t, 0)
	all := w.whole(t)
	if len(all) != 1505 || all[5].Event.User != "0" || all[1504].Event.User != "1499" {
		t.Fatalf("%d records", len(all))
	}
	var copied bytes.Buffer
	l := w.log(t)
	_, err := l.WriteTo(&copied)
	must(t, err)
	msg, err := l.Checkpoint(t.Context())
	must(t, err)
	_, err = audit.Verify(&copied, w.key, audit.VerifyOptions{Checkpoints: [][]byte{msg}})
	must(t, err)
}

func testRollback(t *testing.T, w *world) {
	w.records(t, 2)
	boom := errors.New("boom")
	w.on(t, func(db audit.Database) {
		err := db.Update(t.Context(), func(tx audit.Tx) error {
			if _, err := tx.ExecContext(t.Context(), "DELETE FROM audit_records"); err != nil {
				return err
			}
			return boom
		})
		if !errors.Is(err, boom) {
			t.Errorf("Update returned %v, not its function's error", err)
		}
	})
	if n := len(w.whole(t)); n != 2 {
		t.Fatalf("%d records are left of 2", n)
	}
}

func testGivingUp(t *testing.T, w *world) {
	l := w.log(t)
	ctx, cancel := context.WithCancel(t.Context())
	in, err := l.Begin(ctx, audit.Event{Type: "a"})
	must(t, err)
	cancel()
	must(t, in.End(ctx, audit.Failed, audit.Event{}))
	if err := l.Append(ctx, audit.Event{Type: "b"}); !errors.Is(err, context.Canceled) {
		t.Fatalf("Append with a context that has ended: %v", err)
	}
	must(t, l.Close())
	if all := w.whole(t); len(all) != 2 || all[1].Intent != all[0].ID || time.Since(all[0].Time) > time.Hour {
		t.Fatalf("%d records", len(all))
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
