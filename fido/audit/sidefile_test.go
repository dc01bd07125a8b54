package audit_test

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/fido/audit"
)

// link plants a link to a file that is not ours, and returns that file.
func link(t *testing.T, at string) (victim string) {
	t.Helper()
	victim = filepath.Join(t.TempDir(), "victim")
	require.NoError(t, os.WriteFile(victim, []byte("precious"), 0o600))
	if err := os.Symlink(victim, at); err != nil {
		t.Skip(err) // on Windows, a privilege
	}
	return victim
}

func untouched(t *testing.T, victim string) {
	t.Helper()
	b, err := os.ReadFile(victim)
	require.NoError(t, err)
	require.Equal(t, "precious", string(b))
}

// torn returns a log whose last write is unfinished.
func torn(t *testing.T) recorded {
	t.Helper()
	r := record(t, 10, nil)
	appendTo(t, r.path, `{"seq":11`)
	return r
}

func TestNoPlantedLinkIsWrittenThrough(t *testing.T) {
	t.Run("checkpoint", func(t *testing.T) {
		r := record(t, 10, nil)
		victim := link(t, r.path+".checkpoint.tmp")
		l := open(t, r.path, r.signer, audit.Options{})
		require.NoError(t, l.Append(t.Context(), audit.Event{Type: "a"}))
		require.NoError(t, l.Close())
		untouched(t, victim)
		info, err := os.Lstat(r.path + ".checkpoint")
		require.NoError(t, err)
		require.True(t, info.Mode().IsRegular())
		_, err = os.Lstat(r.path + ".checkpoint.tmp")
		require.ErrorIs(t, err, os.ErrNotExist)
	})
	for _, file := range []string{".torn-11", ".torn-11.tmp"} {
		t.Run(file, func(t *testing.T) {
			r := torn(t)
			victim := link(t, r.path+file)
			if l, err := audit.OpenFile(r.path, r.signer, audit.Options{}); err == nil {
				require.NoError(t, l.Close())
			}
			untouched(t, victim)
		})
	}
	t.Run("log", func(t *testing.T) {
		signer, _ := newSigner(t)
		dir := t.TempDir()
		victim := link(t, filepath.Join(dir, "log"))
		require.NoError(t, os.Truncate(victim, 0))
		_, err := audit.OpenFile(filepath.Join(dir, "log"), signer, audit.Options{})
		require.ErrorContains(t, err, "not a regular file")
		// A link that leads nowhere makes no file where it points, either.
		require.NoError(t, os.Remove(victim))
		_, err = audit.OpenFile(filepath.Join(dir, "log"), signer, audit.Options{})
		require.Error(t, err)
		_, err = os.Lstat(victim)
		require.ErrorIs(t, err, os.ErrNotExist)
	})
	t.Run("key", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "log.key")
		victim := link(t, path)
		require.NoError(t, os.Remove(victim))
		_, _, err := audit.OpenSigner(path, "a")
		require.Error(t, err)
		_, err = os.Lstat(victim)
		require.ErrorIs(t, err, os.ErrNotExist)
	})
}

// A container is given its secrets as links.
func TestAKeyMayBeReachedThroughALink(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log.key")
	_, vkey, err := audit.OpenSigner(path, "a")
	require.NoError(t, err)
	if err := os.Symlink(path, path+".link"); err != nil {
		t.Skip(err)
	}
	_, again, err := audit.OpenSigner(path+".link", "a")
	require.NoError(t, err)
	require.Equal(t, vkey, again)
}

// Bytes that an interrupted recovery set aside stay.
func TestSettingAsideAddsToWhatIsThere(t *testing.T) {
	r := torn(t)
	require.NoError(t, os.WriteFile(r.path+".torn-11", []byte("before,"), 0o600))
	require.NoError(t, os.WriteFile(r.path+".torn-11.tmp", []byte("half"), 0o600))
	require.NoError(t, open(t, r.path, r.signer, audit.Options{}).Close())
	b, err := os.ReadFile(r.path + ".torn-11")
	require.NoError(t, err)
	require.Equal(t, `before,{"seq":11`, string(b))
	_, err = os.Lstat(r.path + ".torn-11.tmp")
	require.ErrorIs(t, err, os.ErrNotExist)
}

// Programs that start together see no key or a whole one, and the same.
func TestAKeyIsThereWholeOrNotAtAll(t *testing.T) {
	for range 20 {
		dir := t.TempDir()
		var keys [16]string
		var wg sync.WaitGroup
		for i := range keys {
			wg.Go(func() {
				_, vkey, err := audit.OpenSigner(filepath.Join(dir, "log.key"), "a")
				if err != nil {
					t.Error(err)
				}
				keys[i] = vkey
			})
		}
		wg.Wait()
		for _, k := range keys {
			require.Equal(t, keys[0], k)
		}
		left, err := os.ReadDir(dir)
		require.NoError(t, err)
		require.Len(t, left, 1, "nothing but the key stays")
	}
}

func TestAnEmptyKeyFileSaysWhatToDo(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log.key")
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	_, _, err := audit.OpenSigner(path, "a")
	require.ErrorContains(t, err, "remove the file")
	require.False(t, strings.Contains(err.Error(), "malformed"))
}
