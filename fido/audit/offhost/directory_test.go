package offhost_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/note"

	"github.com/lakekey/lakekey/fido/audit"
	"github.com/lakekey/lakekey/fido/audit/offhost"
)

func files(t *testing.T, dir string) []string {
	t.Helper()
	names, err := fs.Glob(os.DirFS(dir), "*/*")
	require.NoError(t, err)
	return names
}

func directory(t *testing.T) (string, *offhost.Directory) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "odd [name]*?")
	require.NoError(t, os.Mkdir(dir, 0o700))
	sink, err := offhost.NewDirectory(dir)
	require.NoError(t, err)
	return dir, sink
}

func TestEachCheckpointIsWrittenOnce(t *testing.T) {
	dir, sink := directory(t)
	signer, _, _, err := audit.NewSigner("idp.example.com/audit")
	require.NoError(t, err)
	l := audit.NewMemory(signer, audit.Options{})
	var kept [][]byte
	for range 3 {
		require.NoError(t, l.Append(t.Context(), audit.Event{Type: "a"}))
		msg, err := l.Checkpoint(t.Context())
		require.NoError(t, err)
		kept = append(kept, msg)
		var wg sync.WaitGroup
		for range 8 { // as replicas would
			wg.Go(func() {
				if err := sink.Keep(t.Context(), msg); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	}
	names := files(t, dir)
	require.Len(t, names, 3)
	for i, name := range names {
		require.Regexp(t, fmt.Sprintf(`^idp\.example\.com%%2Faudit/0{19}%d\.checkpoint$`, i+1), name)
		got, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		require.Equal(t, string(kept[i]), string(got))
		info, err := os.Stat(filepath.Join(dir, name))
		require.NoError(t, err)
		require.Zero(t, info.Mode().Perm()&0o222, "nobody writes it again")
	}
}

// Two histories of one length are both kept, and somebody is told.
func TestAForkIsKeptAndReported(t *testing.T) {
	dir, sink := directory(t)
	signer, _, _, err := audit.NewSigner("a")
	require.NoError(t, err)
	for n := range 2 {
		l := audit.NewMemory(signer, audit.Options{})
		require.NoError(t, l.Append(t.Context(), audit.Event{Type: "a", User: fmt.Sprint(n)}))
		msg, err := l.Checkpoint(t.Context())
		require.NoError(t, err)
		err = sink.Keep(t.Context(), msg)
		if n == 0 {
			require.NoError(t, err)
		} else {
			require.ErrorContains(t, err, "forked")
		}
	}
	names := files(t, dir)
	require.Len(t, names, 2)
	require.Regexp(t, `/0{19}1-[0-9a-f]{16}\.checkpoint$`, names[0])
}

func TestOnlyCheckpointsAreKeptAndOnlyInside(t *testing.T) {
	dir, sink := directory(t)
	signer, _, _, err := audit.NewSigner("a")
	require.NoError(t, err)
	sign := func(text string) []byte {
		b, err := note.Sign(&note.Note{Text: text}, signer)
		require.NoError(t, err)
		return b
	}
	for name, msg := range map[string][]byte{
		"nothing":    nil,
		"unsigned":   []byte("a\n1\nAAAA\n"),
		"no size":    sign("a\nx\nAAAA\n"),
		"negative":   sign("a\n-1\nAAAA\n"),
		"dots":       sign("..\n1\nAAAA\n"),
		"too long":   sign(strings.Repeat("a", 1000) + "\n1\nAAAA\n"),
		"no origin":  sign("\n1\nAAAA\n"),
		"only lines": []byte("\n\n\n\n"),
	} {
		require.Error(t, sink.Keep(t.Context(), msg), name)
	}
	require.Empty(t, files(t, dir))
	require.NoError(t, sink.Keep(t.Context(), sign("../../../x/../y\n1\nAAAA\n")))
	require.Regexp(t, `^\.\.%2F\.\.%2F\.\.%2Fx%2F\.\.%2Fy/`, files(t, dir)[0])
}

func TestTheDirectoryMustBeThere(t *testing.T) {
	_, err := offhost.NewDirectory(filepath.Join(t.TempDir(), "not mounted"))
	require.ErrorIs(t, err, os.ErrNotExist)
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err = offhost.NewDirectory(file)
	require.ErrorContains(t, err, "not a directory")
	dir, sink := directory(t)
	require.NoError(t, os.Remove(dir))
	signer, _, _, err := audit.NewSigner("a")
	require.NoError(t, err)
	msg, err := audit.NewMemory(signer, audit.Options{}).Checkpoint(t.Context())
	require.NoError(t, err)
	require.Error(t, sink.Keep(t.Context(), msg), "a mount that went away")
}

func FuzzDirectoryKeep(f *testing.F) {
	f.Add("a\n1\nAAAA\n\n— a AAAA\n")
	f.Add("../..\n0\n\n\n")
	f.Add("\x00\n1\nx\n\n")
	f.Fuzz(func(t *testing.T, msg string) {
		dir, sink := directory(t)
		err := sink.Keep(t.Context(), []byte(msg))
		names := files(t, dir)
		if (err == nil) != (len(names) == 1) {
			t.Fatalf("%v, and %q", err, names)
		}
		outside, _ := os.ReadDir(filepath.Dir(dir))
		if len(outside) != 1 {
			t.Fatalf("something was written outside: %v", outside)
		}
	})
}
