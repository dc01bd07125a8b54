package audit_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/fido/audit"
)

// grown is a log with every checkpoint that it ever had: cps[n] covers n records.
func grown(t testing.TB, n int) (recorded, [][]byte) {
	t.Helper()
	var cps [][]byte
	r := record(t, n, func(_ int, l *audit.Log) {
		cp, err := l.Checkpoint(context.Background())
		require.NoError(t, err)
		cps = append(cps, cp)
	})
	empty, err := audit.NewMemory(r.signer, audit.Options{}).Checkpoint(context.Background())
	require.NoError(t, err)
	return r, append([][]byte{empty}, cps...)
}

func TestEveryRecordIsProvenUnderEveryCheckpoint(t *testing.T) {
	const n = 21
	r, cps := grown(t, n)
	for size := 1; size <= n; size++ {
		for k := 1; k <= size; k++ {
			proof, err := audit.ProveRecord(bytes.NewReader(r.log), r.key, cps[size], uint64(k))
			require.NoError(t, err)
			got, err := audit.CheckRecord(proof, r.key)
			require.NoError(t, err, "record %d of %d:\n%s", k, size, proof)
			require.Equal(t, string(r.lines[k-1]), string(got.Record.Line))
			require.Equal(t, uint64(k), got.Record.Number)
			require.Equal(t, uint64(size), got.Records)
		}
	}
	for _, k := range []uint64{0, n + 1} {
		_, err := audit.ProveRecord(bytes.NewReader(r.log), r.key, cps[n], k)
		require.ErrorContains(t, err, "not one of the 21")
	}
}

func TestAProofIsOfWhatWasWritten(t *testing.T) {
	r, cps := grown(t, 13)
	proof, err := audit.ProveRecord(bytes.NewReader(r.log), r.key, cps[13], 6)
	require.NoError(t, err)
	replaced := func(record []byte) []byte {
		lines := strings.SplitN(string(proof), "\n", 3)
		return []byte(lines[0] + "\nextra " + base64.StdEncoding.EncodeToString(record) + "\n" + lines[2])
	}
	for name, forged := range map[string][]byte{
		"a changed record":     replaced(audit.Reseal(bytes.Replace(r.lines[5], []byte(`"outcome":"denied"`), []byte(`"outcome":"ok"`), 1))),
		"another record":       replaced(r.lines[6]),
		"no record":            replaced(nil),
		"a larger number":      bytes.Replace(proof, []byte("\n13\n"), []byte("\n14\n"), 1),
		"an older checkpoint":  append(bytes.SplitAfter(proof, []byte("\n\n"))[0], cps[12]...),
		"an earlier one":       append(bytes.SplitAfter(proof, []byte("\n\n"))[0], cps[3]...),
		"no checkpoint":        bytes.SplitAfter(proof, []byte("\n\n"))[0],
		"another place":        bytes.Replace(proof, []byte("index 5"), []byte("index 6"), 1),
		"another spelling":     bytes.Replace(proof, []byte("index 5"), []byte("index 05"), 1),
		"a hash too few":       bytes.Replace(proof, bytes.SplitAfter(proof, []byte("\n"))[3], nil, 1),
		"a hash too many":      bytes.Replace(proof, []byte("index 5\n"), append([]byte("index 5\n"), bytes.SplitAfter(proof, []byte("\n"))[3]...), 1),
		"nothing":              nil,
		"a megabyte":           bytes.Repeat([]byte("x"), 1<<20),
		"somebody's else form": []byte("hello\n\nworld\n"),
	} {
		if bytes.Equal(forged, proof) {
			t.Fatalf("%s: nothing was forged", name)
		}
		got, err := audit.CheckRecord(forged, r.key)
		require.Error(t, err, name)
		require.Nil(t, got, name)
	}
	_, stranger := newSigner(t)
	_, err = audit.CheckRecord(proof, stranger)
	require.ErrorContains(t, err, "not signed by the key")

	// There is no proof from a log that is not what was written.
	r.log[len(r.log)/2] ^= 1
	var te *audit.TamperError
	_, err = audit.ProveRecord(bytes.NewReader(r.log), r.key, cps[13], 6)
	require.ErrorAs(t, err, &te)
	_, err = audit.ProveGrowth(bytes.NewReader(r.log), r.key, cps[4], cps[13])
	require.ErrorAs(t, err, &te)
}

func TestGrowthIsProvenBetweenAnyTwoCheckpoints(t *testing.T) {
	const n = 21
	r, cps := grown(t, n)
	for from := 0; from <= n; from++ {
		for to := from; to <= n; to++ {
			proof, err := audit.ProveGrowth(bytes.NewReader(r.log), r.key, cps[from], cps[to])
			require.NoError(t, err)
			got, err := audit.CheckGrowth(proof, r.key, cps[from])
			require.NoError(t, err, "%d to %d:\n%s", from, to, proof)
			require.Equal(t, [2]uint64{uint64(from), uint64(to)}, [2]uint64{got.From, got.To})
			if from > 0 {
				_, err = audit.CheckGrowth(proof, r.key, cps[from-1])
				require.ErrorContains(t, err, "the checkpoint covers")
			}
		}
	}
	_, err := audit.ProveGrowth(bytes.NewReader(r.log), r.key, cps[5], cps[4])
	require.ErrorContains(t, err, "older one first")
}

// The writer of the log holds the key and has written another history. Against
// the checkpoint that was kept, no proof of his holds.
func TestAForkIsNoGrowth(t *testing.T) {
	r, cps := grown(t, 9)
	fork := audit.NewMemory(r.signer, audit.Options{})
	var forked [][]byte
	for i := range 12 {
		require.NoError(t, fork.Append(t.Context(), audit.Event{Type: "a", User: fmt.Sprint(i)}))
		cp, err := fork.Checkpoint(t.Context())
		require.NoError(t, err)
		forked = append(forked, cp)
	}
	var log bytes.Buffer
	_, err := fork.WriteTo(&log)
	require.NoError(t, err)
	for from := 1; from <= 9; from++ {
		_, err = audit.ProveGrowth(bytes.NewReader(log.Bytes()), r.key, cps[from], forked[11])
		var te *audit.TamperError
		require.ErrorAs(t, err, &te)
		require.Equal(t, audit.Rewritten, te.Kind)
		proof, err := audit.ProveGrowth(bytes.NewReader(log.Bytes()), r.key, forked[from-1], forked[11])
		require.NoError(t, err)
		_, err = audit.CheckGrowth(proof, r.key, cps[from])
		require.ErrorContains(t, err, "does not begin with")
	}
}

// What checks is what was proven: no other bytes do.
func FuzzCheckRecord(f *testing.F) {
	r, cps := grown(f, 11)
	for _, k := range []uint64{1, 6, 11} {
		proof, err := audit.ProveRecord(bytes.NewReader(r.log), r.key, cps[11], k)
		require.NoError(f, err)
		f.Add(proof)
	}
	f.Fuzz(func(t *testing.T, proof []byte) {
		got, err := audit.CheckRecord(proof, r.key)
		if (got == nil) == (err == nil) {
			t.Fatalf("%v and %v", got, err)
		}
		if err == nil && !bytes.Contains(append(r.log, '\n'), append(got.Record.Line, '\n')) {
			t.Fatalf("a record that was never written is proven: %s", got.Record.Line)
		}
	})
}

func FuzzCheckGrowth(f *testing.F) {
	r, cps := grown(f, 11)
	for _, k := range []int{0, 3, 8, 11} {
		proof, err := audit.ProveGrowth(bytes.NewReader(r.log), r.key, cps[k], cps[11])
		require.NoError(f, err)
		f.Add(proof, uint8(k))
	}
	f.Fuzz(func(t *testing.T, proof []byte, k uint8) {
		got, err := audit.CheckGrowth(proof, r.key, cps[int(k)%len(cps)])
		if (got == nil) == (err == nil) {
			t.Fatalf("%v and %v", got, err)
		}
		if err == nil && (got.To != 11 || got.From != uint64(int(k)%len(cps))) && !bytes.Contains(proof, cps[got.To]) {
			t.Fatalf("growth to a checkpoint that was never signed: %+v", got)
		}
	})
}
