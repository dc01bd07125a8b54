package audit_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/note"

	"github.com/lakekey/lakekey/fido/audit"
)

type line struct {
	Seq    uint64    `json:"seq"`
	Time   time.Time `json:"time"`
	Phase  string    `json:"phase"`
	ID     string    `json:"id"`
	Intent string    `json:"intent"`
	Event  struct {
		Type, Outcome, Reason, User, Scope string
	} `json:"event"`
}

func lines(t testing.TB, log []byte) (all []line) {
	t.Helper()
	for b := range bytes.Lines(log) {
		var l line
		require.NoError(t, json.Unmarshal(b, &l))
		all = append(all, l)
	}
	return all
}

func open(t testing.TB, path string, signer note.Signer, o audit.Options) *audit.Log {
	t.Helper()
	l, err := audit.OpenFile(path, signer, o)
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func TestIntentThenResult(t *testing.T) {
	signer, key := newSigner(t)
	l := audit.NewMemory(signer, audit.Options{})
	ctx := t.Context()
	in, err := l.Begin(ctx, audit.Event{Type: "token.mint", User: "ada@example.com"})
	require.NoError(t, err)

	var before bytes.Buffer
	_, err = l.WriteTo(&before)
	require.NoError(t, err)
	rep, err := audit.Verify(&before, key, audit.VerifyOptions{InsecureNoCheckpoint: true})
	require.NoError(t, err)
	require.Equal(t, uint64(1), rep.Open)
	require.Equal(t, uint64(1), rep.OpenIntents[0].Record)
	require.Equal(t, "token.mint", rep.OpenIntents[0].Type)

	require.ErrorContains(t, in.End(ctx, "", audit.Event{}), "outcome")
	require.ErrorContains(t, in.End(ctx, "perhaps", audit.Event{}), "no outcome")
	require.NoError(t, in.End(ctx, audit.OK, audit.Event{Scope: "clusters:read"}))
	require.ErrorContains(t, in.End(ctx, audit.OK, audit.Event{}), "ended before")

	cp, err := l.Checkpoint(ctx)
	require.NoError(t, err)
	var log bytes.Buffer
	_, err = l.WriteTo(&log)
	require.NoError(t, err)
	all := lines(t, log.Bytes())
	require.Len(t, all, 2)
	require.Equal(t, "intent", all[0].Phase)
	require.Equal(t, "result", all[1].Phase)
	require.Equal(t, all[0].ID, all[1].Intent)
	require.Equal(t, "token.mint", all[1].Event.Type)
	require.Equal(t, "ok", all[1].Event.Outcome)
	rep, err = audit.Verify(&log, key, audit.VerifyOptions{Checkpoints: [][]byte{cp}})
	require.NoError(t, err)
	require.Zero(t, rep.Open)
	require.Equal(t, uint64(2), rep.Signed)
}

func TestAResultIsWrittenWhenTheCallerIsGone(t *testing.T) {
	r := func(t *testing.T) (string, *audit.Log, note.Verifier) {
		signer, key := newSigner(t)
		path := filepath.Join(t.TempDir(), "log")
		return path, open(t, path, signer, audit.Options{}), key
	}
	path, l, key := r(t)
	ctx, cancel := context.WithCancel(t.Context())
	in, err := l.Begin(ctx, audit.Event{Type: "a"})
	require.NoError(t, err)
	cancel()
	require.NoError(t, in.End(ctx, audit.Failed, audit.Event{}))
	require.ErrorIs(t, l.Append(ctx, audit.Event{Type: "b"}), context.Canceled)
	_, err = l.Begin(ctx, audit.Event{Type: "b"})
	require.ErrorIs(t, err, context.Canceled)
	_, err = l.Checkpoint(ctx)
	require.ErrorIs(t, err, context.Canceled)
	require.NoError(t, l.Close())
	rep, err := audit.VerifyFile(path, key, audit.VerifyOptions{})
	require.NoError(t, err)
	require.Equal(t, uint64(2), rep.Records)
	require.Zero(t, rep.Open)
}

// A result reaches the disk by itself, though nobody waits for it and nothing
// comes after it; and so does the checkpoint that covers it.
func TestResultsAndCheckpointsDoNotWaitForCompany(t *testing.T) {
	signer, key := newSigner(t)
	path := filepath.Join(t.TempDir(), "log")
	l := open(t, path, signer, audit.Options{CheckpointInterval: 20 * time.Millisecond})
	in, err := l.Begin(t.Context(), audit.Event{Type: "a"})
	require.NoError(t, err)
	require.NoError(t, in.End(t.Context(), audit.OK, audit.Event{}))
	require.Eventually(t, func() bool {
		rep, err := audit.VerifyFile(path, key, audit.VerifyOptions{})
		return err == nil && rep.Records == 2 && rep.Open == 0 && rep.Signed == 2
	}, time.Minute, 5*time.Millisecond)
}

func TestReopening(t *testing.T) {
	signer, key := newSigner(t)
	path := filepath.Join(t.TempDir(), "log")
	for n := range 5 {
		l := open(t, path, signer, audit.Options{})
		require.NoError(t, l.Append(t.Context(), audit.Event{Type: "a", User: fmt.Sprint(n)}))
		cp, err := l.Checkpoint(t.Context())
		require.NoError(t, err)
		var live bytes.Buffer
		_, err = l.WriteTo(&live)
		require.NoError(t, err)
		_, err = audit.Verify(&live, key, audit.VerifyOptions{Checkpoints: [][]byte{cp}})
		require.NoError(t, err)
		_, err = audit.OpenFile(path, signer, audit.Options{})
		require.ErrorIs(t, err, audit.ErrLocked)
		require.NoError(t, l.Close())
		require.NoError(t, l.Close())
		require.ErrorIs(t, l.Append(t.Context(), audit.Event{Type: "a"}), audit.ErrClosed)
		_, err = l.Checkpoint(t.Context())
		require.ErrorIs(t, err, audit.ErrClosed)
		rep, err := audit.VerifyFile(path, key, audit.VerifyOptions{})
		require.NoError(t, err)
		require.Equal(t, uint64(n+1), rep.Records)
		require.Equal(t, uint64(n+1), rep.Signed)
	}
	for _, f := range []string{path, path + ".checkpoint"} {
		info, err := os.Stat(f)
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm(), f)
	}
}

func TestOpeningRefusesWhatDoesNotVerify(t *testing.T) {
	stranger, _ := newSigner(t)
	for name, c := range map[string]struct {
		kind   audit.Kind
		damage func(t *testing.T, r *recorded)
	}{
		"a changed byte": {audit.Changed, func(t *testing.T, r *recorded) {
			r.log[len(r.log)/2] ^= 1
			require.NoError(t, os.WriteFile(r.path, r.log, 0o600))
		}},
		"a record cut off": {audit.Truncated, func(t *testing.T, r *recorded) {
			require.NoError(t, os.WriteFile(r.path, join(r.lines[:9]), 0o600))
		}},
		"a cut in the middle of a record": {audit.Truncated, func(t *testing.T, r *recorded) {
			require.NoError(t, os.Truncate(r.path, int64(len(r.log)-7)))
		}},
		"NUL bytes in the middle": {audit.Changed, func(t *testing.T, r *recorded) {
			copy(r.log[len(r.log)/2:], make([]byte, 9))
			require.NoError(t, os.WriteFile(r.path, r.log, 0o600))
		}},
		"the log removed": {audit.Truncated, func(t *testing.T, r *recorded) {
			require.NoError(t, os.Remove(r.path))
		}},
		"the checkpoint removed": {audit.Unsigned, func(t *testing.T, r *recorded) {
			require.NoError(t, os.Remove(r.path+".checkpoint"))
		}},
		"an old log with a forged checkpoint": {audit.Unsigned, func(t *testing.T, r *recorded) {
			require.NoError(t, os.WriteFile(r.path, join(r.lines[:9]), 0o600))
			root := audit.TreeRoot(r.lines[:9])
			forged, err := note.Sign(&note.Note{Text: fmt.Sprintf("%s\n9\n%s\n", r.signer.Name(), root)}, stranger)
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(r.path+".checkpoint", forged, 0o600))
		}},
		"another signer": {audit.Unsigned, func(t *testing.T, r *recorded) { r.signer = stranger }},
		"a checkpoint that is none": {audit.Unsigned, func(t *testing.T, r *recorded) {
			require.NoError(t, os.WriteFile(r.path+".checkpoint", nil, 0o600))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			r := record(t, 10, nil)
			c.damage(t, &r)
			before, _ := os.ReadFile(r.path)
			_, err := audit.OpenFile(r.path, r.signer, audit.Options{})
			var te *audit.TamperError
			require.ErrorAs(t, err, &te)
			require.Equal(t, c.kind, te.Kind, "%v", te)
			after, _ := os.ReadFile(r.path)
			require.Equal(t, string(before), string(after), "evidence must stay as it is")
			// The lock is free again, so that the same answer comes twice.
			_, err = audit.OpenFile(r.path, r.signer, audit.Options{})
			require.ErrorAs(t, err, &te)
		})
	}
}

func TestTimesNeverGoBack(t *testing.T) {
	signer, key := newSigner(t)
	path := filepath.Join(t.TempDir(), "log")
	now := time.Date(2026, 11, 23, 12, 0, 0, 123, time.FixedZone("", 3600))
	l := open(t, path, signer, audit.Options{Now: func() time.Time { now = now.Add(-time.Minute); return now }})
	for range 3 {
		require.NoError(t, l.Append(t.Context(), audit.Event{Type: "a"}))
	}
	require.NoError(t, l.Close())
	l = open(t, path, signer, audit.Options{Now: func() time.Time { return time.Unix(0, 0) }})
	require.NoError(t, l.Append(t.Context(), audit.Event{Type: "a"}))
	require.NoError(t, l.Close())
	rep, err := audit.VerifyFile(path, key, audit.VerifyOptions{})
	require.NoError(t, err)
	require.Equal(t, time.Date(2026, 11, 23, 10, 59, 0, 123, time.UTC), rep.First)
	require.Equal(t, rep.First, rep.Last)
}

// A time that has no canonical spelling is refused, and the log goes on.
func TestWhatWouldNotVerifyIsNotWritten(t *testing.T) {
	signer, key := newSigner(t)
	at := time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)
	l := audit.NewMemory(signer, audit.Options{Now: func() time.Time { return at }})
	require.ErrorContains(t, l.Append(t.Context(), audit.Event{Type: "a"}), "would not verify")
	at = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	require.NoError(t, l.Append(t.Context(), audit.Event{Type: "a"}))
	require.ErrorContains(t, l.Append(t.Context(), audit.Event{Type: "Bad Type"}), "event type")
	require.ErrorContains(t, l.Append(t.Context(), audit.Event{Type: "a", Outcome: "maybe"}), "no outcome")
	require.ErrorContains(t, l.Append(t.Context(), audit.Event{Type: "a", AMR: make([]string, 17)}), "17")
	_, err := l.Begin(t.Context(), audit.Event{Type: "a", Outcome: audit.OK})
	require.ErrorContains(t, err, "no outcome yet")
	var log bytes.Buffer
	_, err = l.WriteTo(&log)
	require.NoError(t, err)
	rep, err := audit.Verify(&log, key, audit.VerifyOptions{InsecureNoCheckpoint: true})
	require.NoError(t, err)
	require.Equal(t, uint64(1), rep.Records)
}

// faulty is a file that counts and can be made to fail or to hang.
type faulty struct {
	audit.File
	syncs      atomic.Int64
	failWrite  atomic.Bool
	shortWrite atomic.Bool
	failSync   atomic.Bool
	hang       chan struct{} // set before use; Sync waits for it
}

var errDisk = errors.New("no space left on device")

func (f *faulty) WriteAt(p []byte, off int64) (int, error) {
	if f.shortWrite.Load() {
		n, _ := f.File.WriteAt(p[:len(p)/2], off)
		return n, errDisk
	}
	if f.failWrite.Load() {
		return 0, errDisk
	}
	return f.File.WriteAt(p, off)
}

func (f *faulty) Sync() error {
	f.syncs.Add(1)
	if f.hang != nil {
		<-f.hang
	}
	if f.failSync.Load() {
		return errDisk
	}
	return f.File.Sync()
}

func openFaulty(t testing.TB, path string, signer note.Signer) (*audit.Log, *faulty) {
	t.Helper()
	var f *faulty
	l, err := audit.OpenFileOn(path, signer, audit.Options{CheckpointInterval: time.Hour}, func(file *os.File) audit.File {
		f = &faulty{File: file}
		return f
	})
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	return l, f
}

func TestAFailedWriteIsFinal(t *testing.T) {
	for name, breakIt := range map[string]func(path string, f *faulty){
		"write":              func(_ string, f *faulty) { f.failWrite.Store(true) },
		"half a write":       func(_ string, f *faulty) { f.shortWrite.Store(true) },
		"fsync":              func(_ string, f *faulty) { f.failSync.Store(true) },
		"the file removed":   func(path string, _ *faulty) { _ = os.Remove(path) },
		"the file replaced":  func(path string, _ *faulty) { _ = os.Rename(path+".checkpoint", path) },
		"the file cut":       func(path string, _ *faulty) { _ = os.Truncate(path, 3) },
		"a foreign appended": func(path string, _ *faulty) { appendTo(t, path, "x\n") },
	} {
		t.Run(name, func(t *testing.T) {
			signer, _ := newSigner(t)
			path := filepath.Join(t.TempDir(), "log")
			l, f := openFaulty(t, path, signer)
			open, err := l.Begin(t.Context(), audit.Event{Type: "a"})
			require.NoError(t, err)
			acked, err := os.ReadFile(path)
			require.NoError(t, err)

			breakIt(path, f)
			_, err = l.Begin(t.Context(), audit.Event{Type: "b"})
			var we *audit.WriteError
			require.ErrorAs(t, err, &we)
			require.ErrorContains(t, err, "must be opened anew")
			// The disk recovers. The log does not: it does not know what is there.
			f.failWrite.Store(false)
			f.shortWrite.Store(false)
			f.failSync.Store(false)
			for range 3 {
				_, err = l.Begin(t.Context(), audit.Event{Type: "c"})
				require.ErrorAs(t, err, &we)
				require.ErrorAs(t, l.Append(t.Context(), audit.Event{Type: "c"}), &we)
			}
			require.ErrorAs(t, open.End(t.Context(), audit.OK, audit.Event{}), &we)
			_, err = l.Checkpoint(t.Context())
			require.ErrorAs(t, err, &we)
			require.ErrorAs(t, l.Close(), &we)

			if strings.HasPrefix(name, "the file") || strings.HasPrefix(name, "a foreign") {
				return // that is tampering, and opening it says so
			}
			l, err = audit.OpenFile(path, signer, audit.Options{})
			require.NoError(t, err)
			require.NoError(t, l.Append(t.Context(), audit.Event{Type: "d"}))
			require.NoError(t, l.Close())
			now, err := os.ReadFile(path)
			require.NoError(t, err)
			require.True(t, bytes.HasPrefix(now, acked), "what was acknowledged stays")
		})
	}
}

func appendTo(t testing.TB, path, s string) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	require.NoError(t, err)
	_, err = f.WriteString(s)
	require.NoError(t, err)
	require.NoError(t, f.Close())
}

// Nobody hears of a checkpoint that could not be kept, and nothing is
// acknowledged after it.
func TestACheckpointThatCannotBeKeptIsFinal(t *testing.T) {
	signer, _ := newSigner(t)
	path := filepath.Join(t.TempDir(), "log")
	l := open(t, path, signer, audit.Options{CheckpointInterval: time.Hour})
	require.NoError(t, l.Append(t.Context(), audit.Event{Type: "a"}))
	require.NoError(t, os.MkdirAll(path+".checkpoint.tmp/not-empty", 0o700))
	var we *audit.WriteError
	_, err := l.Checkpoint(t.Context())
	require.ErrorAs(t, err, &we)
	_, err = l.Begin(t.Context(), audit.Event{Type: "a"})
	require.ErrorAs(t, err, &we)
}

// A hanging disk holds nobody longer than his ctx, and what was given up is not
// left open.
func TestAHangingDiskIsNotWaitedFor(t *testing.T) {
	signer, key := newSigner(t)
	path := filepath.Join(t.TempDir(), "log")
	l, f := openFaulty(t, path, signer)
	f.hang = make(chan struct{})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
			defer cancel()
			_, err := l.Begin(ctx, audit.Event{Type: "a"})
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Begin on a hanging disk: %v", err)
			}
		})
	}
	wg.Wait()
	close(f.hang)
	require.NoError(t, l.Close())
	rep, err := audit.VerifyFile(path, key, audit.VerifyOptions{})
	require.NoError(t, err)
	require.Equal(t, uint64(16), rep.Records)
	require.Zero(t, rep.Open)
}

// 64 writers share fsyncs, and nobody hears "durable" before it is true.
func TestWritersShareAnFsync(t *testing.T) {
	signer, key := newSigner(t)
	path := filepath.Join(t.TempDir(), "log")
	l, f := openFaulty(t, path, signer)
	f.syncs.Store(0)
	const writers, each = 64, 20
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for n := range each {
				user := fmt.Sprintf("%d-%d", w, n)
				in, err := l.Begin(t.Context(), audit.Event{Type: "a", User: user})
				if err != nil {
					t.Error(err)
					return
				}
				if n == each-1 {
					if b, err := os.ReadFile(path); err != nil || !bytes.Contains(b, []byte(`"user":"`+user+`"`)) {
						t.Errorf("%s was acknowledged and is not in the file: %v", user, err)
					}
				}
				if err := in.End(t.Context(), audit.OK, audit.Event{}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	require.NoError(t, l.Close())
	require.Less(t, f.syncs.Load(), int64(writers*each/2), "writers at the same time must share fsyncs")
	rep, err := audit.VerifyFile(path, key, audit.VerifyOptions{})
	require.NoError(t, err)
	require.Equal(t, uint64(2*writers*each), rep.Records)
	require.Zero(t, rep.Open)
}

// Writers faster than the disk wait; what waits is bounded.
func TestWhatWaitsForTheDiskIsBounded(t *testing.T) {
	signer, _ := newSigner(t)
	path := filepath.Join(t.TempDir(), "log")
	l, f := openFaulty(t, path, signer)
	f.hang = make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	big := strings.Repeat("\x01", 1024) // six bytes each in JSON
	var wg sync.WaitGroup
	for range 2000 {
		wg.Go(func() { _ = l.Append(ctx, audit.Event{Type: "a", Scope: big}) })
	}
	// Until what waits is full: from here on, whoever comes must wait outside.
	require.Eventually(t, func() bool { return audit.Pending(l) > audit.MaxPending }, time.Minute, time.Millisecond)
	cancel()
	wg.Wait()
	close(f.hang)
	require.NoError(t, l.Close())
	info, err := os.Stat(path)
	require.NoError(t, err)
	// One batch was under way and one was full; 2,000 records are 12 MB.
	require.Less(t, info.Size(), int64(2*(audit.MaxPending+audit.MaxLine)))
	require.Greater(t, info.Size(), int64(audit.MaxPending))
	var log bytes.Buffer
	_, err = l.WriteTo(&log)
	require.ErrorIs(t, err, audit.ErrClosed)
}
