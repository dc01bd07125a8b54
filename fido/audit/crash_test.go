package audit_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/note"

	"github.com/lakekey/lakekey/fido/audit"
)

const childLog = "LAKEKEY_TEST_AUDIT_LOG"

func TestMain(m *testing.M) {
	if path := os.Getenv(childLog); path != "" {
		child(path)
	}
	os.Exit(m.Run())
}

// child appends from 8 goroutines until it is killed, and says which intents
// were acknowledged.
func child(path string) {
	signer, _, err := audit.OpenSigner(path+".key", "idp.example.com/audit")
	var l *audit.Log
	if err == nil {
		l, err = audit.OpenFile(path, signer, audit.Options{})
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	var out sync.Mutex
	for w := range 8 {
		go func() {
			for n := 0; ; n++ {
				user := fmt.Sprintf("%d.%d.%d", os.Getpid(), w, n)
				in, err := l.Begin(context.Background(), audit.Event{Type: "token.mint", User: user, Scope: strings.Repeat("s", n%900)})
				if err != nil {
					fmt.Fprintln(os.Stderr, err)
					os.Exit(1)
				}
				out.Lock()
				fmt.Println(user)
				out.Unlock()
				_ = in.End(context.Background(), audit.OK, audit.Event{})
			}
		}()
	}
	select {}
}

// A writer is killed at any moment, again and again. Every intent that it
// acknowledged is there, and the log goes on.
func TestKilledWriters(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	acked := map[string]bool{}
	for round := range 12 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), childLog+"="+path)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		sc := bufio.NewScanner(out)
		for n := 0; n < 20+97*round && sc.Scan(); n++ {
			acked[sc.Text()] = true
		}
		require.NoError(t, cmd.Process.Kill())
		for sc.Scan() {
			acked[sc.Text()] = true // whole lines: it had said so before it died
		}
		_ = cmd.Wait()
		require.Empty(t, stderr.String())
	}
	signer, vkey, err := audit.OpenSigner(path+".key", "idp.example.com/audit")
	require.NoError(t, err)
	l := open(t, path, signer, audit.Options{})
	require.NoError(t, l.Close())
	key, err := note.NewVerifier(vkey)
	require.NoError(t, err)
	rep, err := audit.VerifyFile(path, key, audit.VerifyOptions{})
	require.NoError(t, err)
	require.LessOrEqual(t, rep.Open, uint64(12*8), "open intents are those that were under way")
	log, err := os.ReadFile(path)
	require.NoError(t, err)
	for _, l := range lines(t, log) {
		delete(acked, l.Event.User)
	}
	require.Empty(t, acked, "acknowledged and not in the log")
	t.Logf("%d records, %d open", rep.Records, rep.Open)
}

// What a loss of power can leave of the last write: any beginning of it, or
// NUL bytes. A log that stood under no newer checkpoint opens, keeps what was
// acknowledged, keeps the rest aside, and says so.
func TestUnfinishedWritesAreSetAside(t *testing.T) {
	r := record(t, 10, nil)
	ctx := context.Background()
	l := open(t, r.path, r.signer, audit.Options{})
	old, err := os.ReadFile(r.path + ".checkpoint") // as it was before the crash
	require.NoError(t, err)
	require.NoError(t, l.Append(ctx, audit.Event{Type: "acknowledged"}))
	acked, err := os.ReadFile(r.path)
	require.NoError(t, err)
	require.NoError(t, l.Append(ctx, audit.Event{Type: "under.way"}))
	require.NoError(t, l.Close())
	whole, err := os.ReadFile(r.path)
	require.NoError(t, err)
	last := whole[len(acked):]

	var tails [][]byte
	for cut := 1; cut < len(last); cut += 7 {
		tails = append(tails, last[:cut])
	}
	tails = append(tails, last[:len(last)-1], make([]byte, 300), append(make([]byte, 100), last[100:]...), append(append(make([]byte, 10), last[10:]...), last...), bytes.Repeat([]byte{0}, 100<<10))
	for _, tail := range tails {
		path := filepath.Join(t.TempDir(), "log")
		require.NoError(t, os.WriteFile(path, append(bytes.Clone(acked), tail...), 0o600))
		require.NoError(t, os.WriteFile(path+".checkpoint", old, 0o600))

		rep, err := audit.VerifyFile(path, r.key, audit.VerifyOptions{})
		require.NoError(t, err, "an unfinished write is not tampering")
		require.Equal(t, int64(len(tail)), rep.Unfinished)
		require.Equal(t, uint64(11), rep.Records)

		l := open(t, path, r.signer, audit.Options{})
		require.NoError(t, l.Append(ctx, audit.Event{Type: "next"}))
		require.NoError(t, l.Close())
		rep, err = audit.VerifyFile(path, r.key, audit.VerifyOptions{Checkpoints: [][]byte{r.checkpoint, old}})
		require.NoError(t, err)
		require.Equal(t, uint64(13), rep.Records)
		require.Zero(t, rep.Unfinished)
		now, err := os.ReadFile(path)
		require.NoError(t, err)
		require.True(t, bytes.HasPrefix(now, acked))
		said := lines(t, now)[11]
		require.Equal(t, "audit.recovered", said.Event.Type)
		require.Contains(t, said.Event.Reason, fmt.Sprintf("%d bytes", len(tail)))
		aside, err := os.ReadFile(path + ".torn-12")
		require.NoError(t, err)
		require.Equal(t, tail, aside)
	}
}

// The same tails under a checkpoint are tampering: see
// TestOpeningRefusesWhatDoesNotVerify. A whole record is never set aside.
func TestAWholeRecordIsNeverSetAside(t *testing.T) {
	r := record(t, 10, nil)
	old, err := os.ReadFile(r.path + ".checkpoint")
	require.NoError(t, err)
	l := open(t, r.path, r.signer, audit.Options{})
	for range 3 {
		require.NoError(t, l.Append(t.Context(), audit.Event{Type: "a"}))
	}
	require.NoError(t, l.Close())
	log, err := os.ReadFile(r.path)
	require.NoError(t, err)
	log[len(log)-5] ^= 1 // the newest record is whole, and wrong
	require.NoError(t, os.WriteFile(r.path, log, 0o600))
	require.NoError(t, os.WriteFile(r.path+".checkpoint", old, 0o600))
	_, err = audit.OpenFile(r.path, r.signer, audit.Options{})
	var te *audit.TamperError
	require.ErrorAs(t, err, &te)
	require.Equal(t, audit.Changed, te.Kind)
	require.Equal(t, uint64(13), te.Record)
}

// A second crash comes between setting the bytes aside and saying so.
func TestARecoveryThatWasInterruptedIsRecorded(t *testing.T) {
	r := record(t, 10, nil)
	require.NoError(t, os.WriteFile(r.path+".torn-11", []byte("half a rec"), 0o600))
	l := open(t, r.path, r.signer, audit.Options{})
	require.NoError(t, l.Close())
	l = open(t, r.path, r.signer, audit.Options{})
	require.NoError(t, l.Close())
	log, err := os.ReadFile(r.path)
	require.NoError(t, err)
	all := lines(t, log)
	require.Len(t, all, 11, "it is recorded once")
	require.Equal(t, "audit.recovered", all[10].Event.Type)
}
