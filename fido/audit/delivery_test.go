package audit_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/fido/audit"
)

// all returns the records of a log that verifies.
func all(t testing.TB, l *audit.Log) (records []*audit.Record) {
	t.Helper()
	var b bytes.Buffer
	_, err := l.WriteTo(&b)
	require.NoError(t, err)
	_, err = audit.Verify(&b, nil, audit.VerifyOptions{InsecureNoCheckpoint: true, Each: func(r *audit.Record) error {
		records = append(records, r)
		return nil
	}})
	require.NoError(t, err)
	return records
}

// On a disk that hangs, what is enforced waits and what is best effort does not.
// What there is no room for is counted, and the log says how much it was.
func TestBestEffortNeverWaits(t *testing.T) {
	signer, key := newSigner(t)
	path := filepath.Join(t.TempDir(), "log")
	l, f := openFaulty(t, path, signer)
	f.hang = make(chan struct{})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, l.Append(ctx, audit.Event{Type: "ceremony.finished"}), context.DeadlineExceeded)

	big := strings.Repeat("\x01", 1024)
	n := 0
	for ; l.Lost() == 0; n++ {
		require.NoError(t, l.Append(t.Context(), audit.Event{Type: "ceremony.begun", Scope: big}))
	}
	require.Greater(t, n, audit.MaxPending/(8<<10))
	for range 9 {
		require.NoError(t, l.Append(t.Context(), audit.Event{Type: "ceremony.begun", Scope: big}))
	}
	require.Equal(t, uint64(10), l.Lost())
	require.Less(t, audit.Pending(l), audit.MaxPending+audit.MaxLine)

	close(f.hang)
	require.NoError(t, l.Append(t.Context(), audit.Event{Type: "ceremony.finished"}))
	require.NoError(t, l.Close())
	var lost []string
	begun := 0
	rep, err := audit.VerifyFile(path, key, audit.VerifyOptions{Each: func(r *audit.Record) error {
		switch r.Event.Type {
		case "audit.lost":
			lost = append(lost, r.Event.Reason)
		case "ceremony.begun":
			begun++
		}
		return nil
	}})
	require.NoError(t, err)
	require.Equal(t, n-1, begun)
	require.Equal(t, uint64(n-1+3), rep.Records)
	require.Len(t, lost, 1, "one event for all that was lost")
	require.Regexp(t, `^10 records of best-effort delivery were lost since 20`, lost[0])
}

func TestTheOptionsDecideTheDelivery(t *testing.T) {
	signer, _ := newSigner(t)
	path := filepath.Join(t.TempDir(), "log")
	var f *faulty
	l, err := audit.OpenFileOn(path, signer, audit.Options{
		CheckpointInterval: time.Hour,
		Delivery:           map[string]audit.Delivery{"ceremony.begun": audit.Enforced, "ceremony.failed": audit.BestEffort},
	}, func(file *os.File) audit.File {
		f = &faulty{File: file}
		return f
	})
	require.NoError(t, err)
	f.failWrite.Store(true)
	var we *audit.WriteError
	require.ErrorAs(t, l.Append(t.Context(), audit.Event{Type: "ceremony.begun"}), &we)
	require.NoError(t, l.Append(t.Context(), audit.Event{Type: "ceremony.failed"}))
	require.ErrorAs(t, l.Append(t.Context(), audit.Event{Type: "somebody.elses"}), &we, "what is unknown is enforced")
	_, err = l.Begin(t.Context(), audit.Event{Type: "ceremony.failed"})
	require.ErrorAs(t, err, &we, "an intent is enforced, whatever its type")
	require.Equal(t, uint64(1), l.Lost())
	require.ErrorContains(t, l.Append(t.Context(), audit.Event{Type: "ceremony.failed", Outcome: "perhaps"}), "no outcome")
	require.ErrorAs(t, l.Close(), &we)
	require.Equal(t, "enforced best-effort", audit.Enforced.String()+" "+audit.BestEffort.String())
}

// sink keeps checkpoints, unless it is told not to.
type sink struct {
	mu   sync.Mutex
	kept [][]byte
	at   []time.Duration
	fail error
	born time.Time
}

func (s *sink) Keep(ctx context.Context, msg []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.at = append(s.at, time.Since(s.born))
	if s.fail != nil {
		return s.fail
	}
	s.kept = append(s.kept, msg)
	return nil
}

func (s *sink) set(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail = err
}

func (s *sink) newest() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.kept) == 0 {
		return nil
	}
	return s.kept[len(s.kept)-1]
}

func TestCheckpointsLeaveTheHost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		signer, key := newSigner(t)
		path := filepath.Join(t.TempDir(), "log")
		good, bad := &sink{born: time.Now()}, &sink{born: time.Now()}
		l, err := audit.OpenFile(path, signer, audit.Options{OffHost: []audit.CheckpointSink{good, bad}})
		require.NoError(t, err)
		covered := func(s *sink) uint64 {
			rep, err := audit.VerifyFile(path, key, audit.VerifyOptions{Checkpoints: [][]byte{s.newest()}})
			require.NoError(t, err)
			return rep.Signed
		}
		for range 50 { // five seconds of work
			require.NoError(t, l.Append(t.Context(), audit.Event{Type: "a"}))
			time.Sleep(100 * time.Millisecond)
		}
		time.Sleep(2 * time.Second) // two intervals
		require.Equal(t, uint64(50), covered(good))
		require.LessOrEqual(t, len(good.at), 8, "at most one per interval")

		// One of them goes away. The log goes on, and so does the other.
		bad.set(errors.New("offhost is gone"))
		for range 100 {
			require.NoError(t, l.Append(t.Context(), audit.Event{Type: "b"}))
			time.Sleep(time.Second)
		}
		time.Sleep(2 * time.Second)
		require.Equal(t, uint64(151), covered(good), "with the event that says that the other is gone")
		require.Less(t, len(bad.at), 8+10, "who is gone is not hammered")

		bad.set(nil)
		time.Sleep(time.Minute + 2*time.Second)
		require.Equal(t, uint64(152), covered(bad), "a minute after it is back it is current")
		require.NoError(t, l.Append(t.Context(), audit.Event{Type: "c"}))
		require.NoError(t, l.Close())
		require.Equal(t, uint64(153), covered(good))
		require.Equal(t, uint64(153), covered(bad))

		var said []string
		_, err = audit.VerifyFile(path, key, audit.VerifyOptions{Each: func(r *audit.Record) error {
			if strings.HasPrefix(r.Event.Type, "audit.") {
				said = append(said, r.Event.Type+": "+r.Event.Reason)
			}
			return nil
		}})
		require.NoError(t, err)
		require.Len(t, said, 2)
		require.Equal(t, "audit.offhost-failed: offhost is gone", said[0])
		require.Regexp(t, `^audit.offhost-restored: after \d+ tries that failed$`, said[1])
	})
}

func TestClosingSaysWhatDidNotLeave(t *testing.T) {
	signer, key := newSigner(t)
	path := filepath.Join(t.TempDir(), "log")
	gone := &sink{fail: errors.New("offhost is gone")}
	l, err := audit.OpenFile(path, signer, audit.Options{OffHost: []audit.CheckpointSink{gone}})
	require.NoError(t, err)
	require.NoError(t, l.Append(t.Context(), audit.Event{Type: "a"}))
	err = l.Close()
	require.ErrorIs(t, err, gone.fail)
	require.ErrorContains(t, err, "by hand")
	rep, err := audit.VerifyFile(path, key, audit.VerifyOptions{})
	require.NoError(t, err)
	require.Equal(t, rep.Records, rep.Signed, "here nothing is lost")
}

// handler collects records, unless it is told not to.
type handler struct {
	slog.Handler
	mu    sync.Mutex
	lines []string
	fail  error
}

func (h *handler) Enabled(context.Context, slog.Level) bool { return true }

func (h *handler) Handle(_ context.Context, r slog.Record) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.fail != nil {
		return h.fail
	}
	var b strings.Builder
	b.WriteString(r.Level.String() + " " + r.Message)
	r.Attrs(func(a slog.Attr) bool {
		if a.Key != "hash" && a.Key != "id" {
			b.WriteString(" " + a.String())
		}
		return true
	})
	h.lines = append(h.lines, b.String())
	return nil
}

func (h *handler) set(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.fail = err
}

func TestTheMirrorIsToldWhatIsDurable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		signer, _ := newSigner(t)
		h := &handler{}
		l := audit.NewMemory(signer, audit.Options{Mirror: h})
		append := func(e audit.Event) {
			require.NoError(t, l.Append(t.Context(), e))
			synctest.Wait()
		}
		append(audit.Event{Type: "a", Outcome: audit.Denied, User: "ada", AMR: []string{"hwk"}, SignCount: 7, UserVerified: true})
		h.set(errors.New("full"))
		append(audit.Event{Type: "b", Outcome: audit.OK})
		append(audit.Event{Type: "c", Outcome: audit.OK})
		h.set(nil)
		append(audit.Event{Type: "d", Outcome: audit.Failed})
		require.Zero(t, l.Lost(), "the log itself has lost nothing")
		require.NoError(t, l.Close())
		require.Len(t, h.lines, 3)
		require.Equal(t, `WARN a record=1 phase=event outcome=denied user=ada user_verified=true amr=[hwk] sign_count=7`, h.lines[0])
		require.Equal(t, `ERROR d record=4 phase=event outcome=failed`, h.lines[1])
		require.Regexp(t, `^ERROR audit\.lost record=5 phase=event outcome=failed reason=.*2 records did not reach the mirror since`, h.lines[2])
		require.Len(t, all(t, l), 5)
	})
}
