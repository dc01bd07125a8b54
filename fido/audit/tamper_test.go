package audit_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/note"

	"github.com/lakekey/lakekey/fido/audit"
)

// recorded is a finished log, and what an auditor has.
type recorded struct {
	path       string
	log        []byte
	lines      [][]byte // without newlines
	key        note.Verifier
	signer     note.Signer
	checkpoint []byte
}

func newSigner(t testing.TB) (note.Signer, note.Verifier) {
	t.Helper()
	signer, vkey, _, err := audit.NewSigner("idp.example.com/audit")
	require.NoError(t, err)
	key, err := note.NewVerifier(vkey)
	require.NoError(t, err)
	return signer, key
}

// record writes n records of every phase, among them texts that need escapes.
func record(t testing.TB, n int, each func(done int, l *audit.Log)) recorded {
	t.Helper()
	ctx := context.Background()
	signer, key := newSigner(t)
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	l, err := audit.OpenFile(path, signer, audit.Options{})
	require.NoError(t, err)
	var intents []*audit.Intent
	for i := range n {
		switch i % 4 {
		case 0:
			in, err := l.Begin(ctx, audit.Event{Type: "token.mint", User: "ada@example.com", Host: "ws.example.com", Scope: "clusters:read"})
			require.NoError(t, err)
			intents = append(intents, in)
		case 1:
			require.NoError(t, l.Append(ctx, audit.Event{Type: "sign_in", Outcome: audit.Denied, Reason: "unknown key \"\\ \u202e é", AMR: []string{"hwk", "user"}}))
		case 2:
			require.NoError(t, intents[len(intents)-1].End(ctx, audit.OK, audit.Event{TokenID: fmt.Sprint(i), UserVerified: true}))
		default:
			require.NoError(t, l.Append(ctx, audit.Event{
				Type: "credential.approved", Outcome: audit.OK, Actor: "root@example.com", Rationale: "met in person \"é\"",
				CredentialName: "blue", Format: "packed", SerialHash: "5e", SignCount: uint32(i), BackupEligible: true, BackupState: true,
				Metadata: "mds 132", Rule: "staff", PolicyHash: "9a", PolicyHashOld: "9b", Group: "staff", RequestID: "r", UserAgent: "u", InviteHash: "1f",
			}))
		}
		if each != nil {
			each(i+1, l)
		}
	}
	cp, err := l.Checkpoint(ctx)
	require.NoError(t, err)
	require.NoError(t, l.Close())
	log, err := os.ReadFile(path)
	require.NoError(t, err)
	lines := bytes.Split(bytes.TrimSuffix(log, []byte("\n")), []byte("\n"))
	require.Len(t, lines, n)
	return recorded{path: path, log: log, lines: lines, key: key, signer: signer, checkpoint: cp}
}

func (r recorded) verify(log []byte, more ...[]byte) (*audit.Report, error) {
	return audit.Verify(bytes.NewReader(log), r.key, audit.VerifyOptions{Checkpoints: append(more, r.checkpoint)})
}

func join(lines [][]byte) []byte {
	return append(bytes.Join(lines, []byte("\n")), '\n')
}

// blamed returns what Verify says of a log made of the lines.
func (r recorded) blamed(t testing.TB, lines [][]byte, more ...[]byte) *audit.TamperError {
	t.Helper()
	_, err := r.verify(join(lines), more...)
	var te *audit.TamperError
	require.ErrorAs(t, err, &te)
	return te
}

func TestVerifyAcceptsWhatWasWritten(t *testing.T) {
	r := record(t, 200, nil)
	rep, err := r.verify(r.log)
	require.NoError(t, err)
	root, err := audit.Root(r.lines)
	require.NoError(t, err)
	require.Equal(t, uint64(200), rep.Records)
	require.Equal(t, uint64(200), rep.Signed)
	require.Equal(t, root.String(), rep.Root)
	require.Zero(t, rep.Open)
	require.Zero(t, rep.Unfinished)
	require.False(t, rep.First.After(rep.Last))

	fromFile, err := audit.VerifyFile(r.path, r.key, audit.VerifyOptions{})
	require.NoError(t, err)
	require.Equal(t, rep, fromFile)
}

// Every byte of a log of 200 records is changed to several others, removed, and
// has something put before it; each time the record it belongs to is named.
func TestEveryChangedByteIsNamed(t *testing.T) {
	r := record(t, 200, nil)
	root, err := audit.Root(r.lines)
	require.NoError(t, err)
	w, err := audit.NewWalk(r.log, 200, root)
	require.NoError(t, err)

	var work sync.WaitGroup
	tried := make([]int, runtime.GOMAXPROCS(0))
	for part := range tried {
		work.Go(func() {
			start := 0
			for k, line := range r.lines {
				end := start + len(line) + 1
				if k%len(tried) == part {
					tried[part] += everyByte(t, w, k, r.log[start:], len(line)+1)
				}
				start = end
			}
		})
	}
	work.Wait()
	total := 0
	for _, n := range tried {
		total += n
	}
	require.Greater(t, total, 10*len(r.log))
	t.Logf("%d changes of a log of %d bytes", total, len(r.log))
}

// everyByte changes the first n bytes of rest, which are record k+1.
func everyByte(t *testing.T, w *audit.Walk, k int, rest []byte, n int) (tried int) {
	r := audit.NewReader()
	check := func(before, put, after []byte, how string, between bool) {
		tried++
		at := len(before)
		err := w.From(k, &pieces{before, put, after}, r)
		te, ok := err.(*audit.TamperError)
		if !ok {
			t.Errorf("byte %d of record %d %s: %v", at, k+1, how, err)
			return
		}
		if between && te.Kind == audit.Inserted && te.Record == uint64(k+2) {
			return // an empty line between two records is named with the second
		}
		if te.Record != uint64(k+1) || te.Last != te.Record && te.Kind != audit.Truncated {
			t.Errorf("byte %d of record %d %s: %v", at, k+1, how, err)
		}
	}
	for i := range n {
		was := rest[i]
		for _, c := range []byte{was ^ 1, was ^ 0x20, was ^ 0x80, '\n', '"', '0', ' ', 0} {
			if c != was {
				check(rest[:i], []byte{c}, rest[i+1:], fmt.Sprintf("= %q", c), false)
			}
		}
		check(rest[:i], nil, rest[i+1:], "removed", false)
		for _, c := range []byte{'\n', ' ', '0', 0} {
			check(rest[:i], []byte{c}, rest[i:], fmt.Sprintf("has %q before it", c), c == '\n' && i == n-1)
		}
	}
	return tried
}

// pieces reads what it holds, a little at a time: most changes are found before
// much is read.
type pieces [3][]byte

func (p *pieces) Read(b []byte) (int, error) {
	for i := range p {
		if len(p[i]) > 0 {
			n := copy(b[:min(len(b), 512)], p[i])
			p[i] = p[i][n:]
			return n, nil
		}
	}
	return 0, io.EOF
}

// The same through the front door, on a log short enough for it.
func TestEveryChangedByteIsNamedByVerify(t *testing.T) {
	r := record(t, 8, nil)
	at := 0
	for k, line := range r.lines {
		for range len(line) + 1 {
			log := bytes.Clone(r.log)
			log[at] ^= 1
			_, err := r.verify(log)
			var te *audit.TamperError
			require.ErrorAs(t, err, &te, "byte %d", at)
			require.Equal(t, uint64(k+1), te.Record, "byte %d: %v", at, te)
			at++
		}
	}
	require.Equal(t, len(r.log), at)
}

func TestDroppedDuplicatedAndMovedRecordsAreNamed(t *testing.T) {
	r := record(t, 200, nil)
	for k := range r.lines {
		if testing.Short() && k%10 != 0 && k < 195 {
			continue
		}
		n := uint64(k + 1)

		te := r.blamed(t, slices.Delete(slices.Clone(r.lines), k, k+1))
		require.Equal(t, n, te.Record, "dropped %d: %v", n, te)
		require.Equal(t, n, te.Last)
		if k < 199 {
			require.Equal(t, audit.Dropped, te.Kind)
		} else {
			require.Equal(t, audit.Truncated, te.Kind)
		}

		for _, at := range []int{0, k, k + 1, 150, 200} {
			te = r.blamed(t, slices.Insert(slices.Clone(r.lines), at, r.lines[k]))
			require.Equal(t, audit.Duplicated, te.Kind, "%d put before line %d: %v", n, at+1, te)
			require.Equal(t, n, te.Record, "%d put before line %d: %v", n, at+1, te)
		}

		for _, m := range []int{k + 1, k + 2, 199} {
			if m <= k || m > 199 {
				continue
			}
			swapped := slices.Clone(r.lines)
			swapped[k], swapped[m] = swapped[m], swapped[k]
			te = r.blamed(t, swapped)
			require.Equal(t, audit.Reordered, te.Kind, "%d and %d swapped: %v", n, m+1, te)
			require.Contains(t, []uint64{n, uint64(m + 1)}, te.Record, "%d and %d swapped: %v", n, m+1, te)

			moved := slices.Insert(slices.Delete(slices.Clone(r.lines), k, k+1), m, r.lines[k])
			te = r.blamed(t, moved)
			require.Equal(t, audit.Reordered, te.Kind, "%d moved to %d: %v", n, m+1, te)
			if m > k+1 {
				require.Equal(t, n, te.Record, "%d moved to %d: %v", n, m+1, te)
			}
			back := slices.Insert(slices.Delete(slices.Clone(r.lines), m, m+1), k, r.lines[m])
			te = r.blamed(t, back)
			require.Equal(t, audit.Reordered, te.Kind, "%d moved to %d: %v", m+1, n, te)
			require.Equal(t, uint64(m+1), te.Record, "%d moved to %d: %v", m+1, n, te)
		}
	}
}

func TestEveryTruncationIsNamed(t *testing.T) {
	r := record(t, 200, nil)
	root, err := audit.Root(r.lines)
	require.NoError(t, err)
	w, err := audit.NewWalk(r.log, 200, root)
	require.NoError(t, err)
	start, buf := 0, audit.NewReader()
	for k, line := range r.lines {
		for cut := range len(line) + 1 {
			var te *audit.TamperError
			require.ErrorAs(t, w.From(k, bytes.NewReader(r.log[start:start+cut]), buf), &te)
			require.Equal(t, audit.Truncated, te.Kind)
			require.Equal(t, uint64(k+1), te.Record)
			require.Equal(t, uint64(200), te.Last)
		}
		start += len(line) + 1
	}
	// Without a checkpoint nobody can see it, and Verify does not pretend to.
	_, err = audit.Verify(bytes.NewReader(join(r.lines[:150])), r.key, audit.VerifyOptions{})
	require.ErrorContains(t, err, "no checkpoint")
	rep, err := audit.Verify(bytes.NewReader(join(r.lines[:150])), nil, audit.VerifyOptions{InsecureNoCheckpoint: true})
	require.NoError(t, err)
	require.Zero(t, rep.Signed)
}

// Somebody who knows the format mends the checksum of the record he changes.
func TestChangesThatFitTheFormatAreNamed(t *testing.T) {
	r := record(t, 200, nil)
	for k := range r.lines {
		n := uint64(k + 1)
		change := func(old, new string) []byte {
			line := audit.Reseal(bytes.Replace(r.lines[k], []byte(old), []byte(new), 1))
			require.NotEqual(t, string(r.lines[k]), string(line))
			return line
		}
		lines := slices.Clone(r.lines)
		lines[k] = change(`"event":{"type":"`, `"event":{"type":"x`)
		te := r.blamed(t, lines)
		if n < 200 {
			require.Equal(t, audit.Changed, te.Kind, "%d: %v", n, te)
			require.Equal(t, n, te.Record, "%d: %v", n, te)
			require.Equal(t, n, te.Last)
		} else {
			require.Equal(t, audit.Rewritten, te.Kind, "a chain that ends here says nothing of its end: %v", te)
		}

		lines[k] = change(fmt.Sprintf(`"seq":%d,`, n), fmt.Sprintf(`"seq":%d,`, n+1000))
		te = r.blamed(t, lines)
		require.Equal(t, audit.Changed, te.Kind, "%d: %v", n, te)
		require.Equal(t, n, te.Record, "%d: %v", n, te)

		if k > 0 {
			link := r.lines[k][bytes.Index(r.lines[k], []byte(`"prev":"`))+8:][:8]
			lines[k] = change(string(link), "AAAAAAAA")
			te = r.blamed(t, lines)
			require.Equal(t, audit.Changed, te.Kind, "%d: %v", n, te)
			require.True(t, te.Record == n || n == 200 && te.Record == n-1 && te.Last == n, "%d: %v", n, te)

			lines[k] = change(`"time":"2`, `"time":"1`)
			te = r.blamed(t, lines)
			require.Equal(t, n, te.Record, "%d: %v", n, te)
		}
	}
}

// The record before the last is changed, and only the last and the checkpoint
// know what it was.
func TestTheLastLinkAndTheCheckpointConvictTogether(t *testing.T) {
	r := record(t, 200, nil)
	lines := slices.Clone(r.lines)
	lines[198] = audit.Reseal(bytes.Replace(lines[198], []byte(`"type":"`), []byte(`"type":"x`), 1))
	te := r.blamed(t, lines)
	require.Equal(t, audit.Changed, te.Kind)
	require.Equal(t, uint64(199), te.Record)
	require.Equal(t, uint64(199), te.Last)
}

func TestAForgedRecordIsNamed(t *testing.T) {
	r := record(t, 40, nil)
	for _, k := range []int{1, 17, 38} {
		// It takes the place and the link of record k+1, which then follows.
		forged := audit.Reseal(bytes.Replace(r.lines[k], []byte(`"type":"`), []byte(`"type":"x`), 1))
		te := r.blamed(t, slices.Insert(slices.Clone(r.lines), k, forged))
		require.Equal(t, audit.Inserted, te.Kind)
		require.Equal(t, uint64(k+1), te.Record)
		require.Equal(t, uint64(k+1), te.Line)
		te = r.blamed(t, slices.Insert(slices.Clone(r.lines), k+1, forged))
		require.Equal(t, audit.Inserted, te.Kind)
		require.Equal(t, uint64(k+1), te.Record)
		require.Equal(t, uint64(k+2), te.Line)
	}
}

// Somebody rewrites everything from a record on, so that all of it fits. The
// checkpoints still tell, and bound where it began.
func TestARewrittenHistoryIsBounded(t *testing.T) {
	var cps [][]byte
	r := record(t, 200, func(done int, l *audit.Log) {
		if done%50 == 0 {
			cp, err := l.Checkpoint(context.Background())
			require.NoError(t, err)
			cps = append(cps, cp)
		}
	})
	for _, c := range []struct{ from, first, last int }{{1, 1, 50}, {50, 1, 50}, {51, 51, 100}, {120, 101, 150}, {200, 151, 200}} {
		lines := slices.Clone(r.lines)
		lines[c.from-1] = audit.Reseal(bytes.Replace(lines[c.from-1], []byte(`"type":"`), []byte(`"type":"x`), 1))
		audit.Relink(lines, c.from)
		_, err := audit.Verify(bytes.NewReader(join(lines)), nil, audit.VerifyOptions{InsecureNoCheckpoint: true})
		require.NoError(t, err, "the forgery must be a good one")
		te := r.blamed(t, lines, slices.Concat(cps[2:], cps[:2])...)
		require.Equal(t, audit.Rewritten, te.Kind)
		require.Equal(t, [2]uint64{uint64(c.first), uint64(c.last)}, [2]uint64{te.Record, te.Last}, "rewritten from %d: %v", c.from, te)
	}
}

// A checkpoint was made when the changed record was the newest.
func TestAChangeUnderACheckpointIsNamed(t *testing.T) {
	var kept []byte
	r := record(t, 40, func(done int, l *audit.Log) {
		if done == 20 {
			cp, err := l.Checkpoint(context.Background())
			require.NoError(t, err)
			kept = cp
		}
	})
	lines := slices.Clone(r.lines)
	lines[19] = audit.Reseal(bytes.Replace(lines[19], []byte(`"type":"`), []byte(`"type":"x`), 1))
	te := r.blamed(t, lines, kept)
	require.Equal(t, audit.Changed, te.Kind)
	require.Equal(t, [2]uint64{20, 20}, [2]uint64{te.Record, te.Last})
	require.ErrorContains(t, te, "audit: record 20 changed: ")

	// And a record before it: the link tells, wherever the checkpoint is.
	lines = slices.Clone(r.lines)
	lines[18] = audit.Reseal(bytes.Replace(lines[18], []byte(`"type":"`), []byte(`"type":"x`), 1))
	te = r.blamed(t, lines, kept)
	require.Equal(t, [2]uint64{19, 19}, [2]uint64{te.Record, te.Last})
}

// An act that was done without being announced is no part of an honest log.
func TestAResultWithoutItsIntentIsNamed(t *testing.T) {
	r := record(t, 8, nil)
	lines := slices.Delete(slices.Clone(r.lines), 4, 5)
	audit.Relink(lines, 1)
	_, err := audit.Verify(bytes.NewReader(join(lines)), nil, audit.VerifyOptions{InsecureNoCheckpoint: true})
	var te *audit.TamperError
	require.ErrorAs(t, err, &te)
	require.Equal(t, audit.Inserted, te.Kind)
	require.Equal(t, uint64(6), te.Record)
}

// A failing reader is not tampering.
func TestALogThatCannotBeReadIsNoEvidence(t *testing.T) {
	r := record(t, 8, nil)
	for _, n := range []int{0, 100, len(r.log)} {
		broken := io.MultiReader(bytes.NewReader(r.log[:n]), iotest.ErrReader(errDisk))
		_, err := audit.Verify(broken, r.key, audit.VerifyOptions{Checkpoints: [][]byte{r.checkpoint}})
		require.ErrorIs(t, err, errDisk)
	}
}

func TestCheckpointsOfOthersAreRefused(t *testing.T) {
	r, other := record(t, 4, nil), record(t, 4, nil)
	var te *audit.TamperError
	for name, cp := range map[string][]byte{
		"another key":   other.checkpoint,
		"changed":       bytes.Replace(r.checkpoint, []byte("\n4\n"), []byte("\n3\n"), 1),
		"no checkpoint": []byte("hello"),
		"too long":      []byte(strings.Repeat("x", 1<<20)),
	} {
		_, err := audit.Verify(bytes.NewReader(r.log), r.key, audit.VerifyOptions{Checkpoints: [][]byte{cp}})
		require.ErrorAs(t, err, &te, name)
		require.Equal(t, audit.Unsigned, te.Kind, name)
	}
	require.NoError(t, os.Remove(r.path+".checkpoint"))
	_, err := audit.VerifyFile(r.path, r.key, audit.VerifyOptions{})
	require.ErrorAs(t, err, &te)
	require.Equal(t, audit.Unsigned, te.Kind)
}

func TestTheTreeIsThatOfTlog(t *testing.T) {
	var lines [][]byte
	for i := range 130 {
		want, err := audit.Root(lines)
		require.NoError(t, err)
		require.Equal(t, want, audit.TreeRoot(lines), "%d records", i)
		lines = append(lines, fmt.Append(nil, i))
	}
}
