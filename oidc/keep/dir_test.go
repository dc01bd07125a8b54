package keep_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/oidc/keep"
)

var (
	name  = strings.Repeat("ab", 32)
	other = strings.Repeat("cd", 32)
)

// given is a key that a test knows.
type given []byte

func (k given) Key(context.Context) ([]byte, error) { return k, nil }

var zeros = given(make([]byte, 32))

func open(t testing.TB, dir string) *keep.Dir {
	t.Helper()
	d, err := keep.Open(t.Context(), dir, zeros)
	require.NoError(t, err)
	return d
}

func save(t testing.TB, d *keep.Dir, name, text string) {
	t.Helper()
	e, err := d.Hold(t.Context(), name)
	require.NoError(t, err)
	defer e.Release()
	require.NoError(t, e.Save([]byte(text)))
}

func load(t testing.TB, d *keep.Dir, name string) (string, error) {
	t.Helper()
	e, err := d.Hold(t.Context(), name)
	require.NoError(t, err)
	defer e.Release()
	data, err := e.Load()
	return string(data), err
}

func TestKeep(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "deep", "sessions")
	d := open(t, dir)
	got, err := load(t, d, name)
	require.NoError(t, err)
	require.Empty(t, got)
	for _, text := range []string{"first", strings.Repeat("a longer one ", 10_000), "x"} {
		save(t, d, name, text)
		got, err = load(t, open(t, dir), name)
		require.NoError(t, err)
		require.Equal(t, text, got)
	}
	got, err = load(t, d, other)
	require.NoError(t, err)
	require.Empty(t, got)

	file, err := os.ReadFile(filepath.Join(dir, name))
	require.NoError(t, err)
	save(t, d, name, "a refresh token")
	sealed, err := os.ReadFile(filepath.Join(dir, name))
	require.NoError(t, err)
	require.NotContains(t, string(sealed), "refresh")
	require.Equal(t, len(file), len(sealed), "the length tells the content's")

	// Nothing is left but entries and locks, and everything is the owner's alone.
	e, err := d.Hold(t.Context(), name)
	require.NoError(t, err)
	require.NoError(t, e.Reserve(100))
	e.Release()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
		info, err := entry.Info()
		require.NoError(t, err)
		require.Zero(t, info.Mode().Perm()&0o077, entry.Name())
	}
	require.ElementsMatch(t, []string{name, name + ".lock", other + ".lock", "key.lock"}, names)

	save(t, d, name, "")
	got, err = load(t, d, name)
	require.NoError(t, err)
	require.Empty(t, got)
	require.NoFileExists(t, filepath.Join(dir, name))
}

func TestNamesAreNoPaths(t *testing.T) {
	d := open(t, t.TempDir()+"/d")
	for _, bad := range []string{"", "..", "../" + name, name[:63], name + "a", strings.ToUpper(name), "key"} {
		_, err := d.Hold(t.Context(), bad)
		require.Error(t, err, bad)
	}
}

// A file opens with its key, under its name, as it was written, or not at all.
func TestFilesThatWereChanged(t *testing.T) {
	dir := t.TempDir() + "/d"
	d := open(t, dir)
	save(t, d, name, "weak session")
	path := filepath.Join(dir, name)
	good, err := os.ReadFile(path)
	require.NoError(t, err)
	write := func(name string, data []byte) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), data, 0o600))
	}
	for i := 0; i < len(good); i += 97 {
		bad := bytes.Clone(good)
		bad[i] ^= 1
		write(name, bad)
		_, err := load(t, d, name)
		require.ErrorContains(t, err, "sealed with another key, or has been changed", i)
	}
	for _, bad := range [][]byte{{}, []byte("hello"), good[:len(good)-1], append(bytes.Clone(good), 0), make([]byte, 5<<20)} {
		write(name, bad)
		_, err := load(t, d, name)
		require.Error(t, err)
	}
	write(other, good) // a weak session under the name of a strong one
	_, err = load(t, d, other)
	require.Error(t, err)

	write(name, good)
	key := bytes.Clone(zeros)
	key[0] = 1
	stranger, err := keep.Open(t.Context(), dir, given(key))
	require.NoError(t, err)
	_, err = load(t, stranger, name)
	require.ErrorContains(t, err, "another key")
	save(t, stranger, name, "a new sign-in replaces it")
	got, err := load(t, stranger, name)
	require.NoError(t, err)
	require.Equal(t, "a new sign-in replaces it", got)
}

func TestPlacesThatOthersReach(t *testing.T) {
	if os.PathSeparator == '\\' {
		return // see the package documentation
	}
	root := t.TempDir()
	loose := filepath.Join(root, "loose")
	require.NoError(t, os.Mkdir(loose, 0o755))
	_, err := keep.Open(t.Context(), loose, zeros)
	require.ErrorContains(t, err, "open to others")

	real := filepath.Join(root, "real")
	require.NoError(t, os.Mkdir(real, 0o700))
	link := filepath.Join(root, "link")
	require.NoError(t, os.Symlink(real, link))
	_, err = keep.Open(t.Context(), link, zeros)
	require.Error(t, err)

	dir := filepath.Join(root, "d")
	d := open(t, dir)
	save(t, d, name, "mine")
	path := filepath.Join(dir, name)
	require.NoError(t, os.Chmod(path, 0o644))
	_, err = load(t, d, name)
	require.ErrorContains(t, err, "open to others")

	// A link in the place of a file, a lock or the next file leads nowhere.
	target := filepath.Join(root, "target")
	require.NoError(t, os.WriteFile(target, []byte("precious"), 0o600))
	for _, place := range []string{name, name + ".new"} {
		_ = os.Remove(filepath.Join(dir, place))
		require.NoError(t, os.Symlink(target, filepath.Join(dir, place)))
	}
	_, err = load(t, d, name)
	require.ErrorContains(t, err, "symbolic link")
	save(t, d, name, "again")
}

func TestLinkedLock(t *testing.T) {
	if os.PathSeparator == '\\' {
		return
	}
	dir := t.TempDir() + "/d"
	d := open(t, dir)
	target := dir + "-target"
	require.NoError(t, os.Symlink(target, filepath.Join(dir, name+".lock")))
	_, err := d.Hold(t.Context(), name)
	require.ErrorContains(t, err, "symbolic link")
	require.NoFileExists(t, target)
}

func TestForeignOwner(t *testing.T) {
	if os.Geteuid() != 0 {
		return // only root can give a file away
	}
	dir := t.TempDir() + "/d"
	d := open(t, dir)
	save(t, d, name, "mine")
	require.NoError(t, os.Chown(filepath.Join(dir, name), 12345, 12345))
	_, err := load(t, d, name)
	require.ErrorContains(t, err, "another user")
	require.NoError(t, os.Chown(dir, 12345, 12345))
	_, err = keep.Open(t.Context(), dir, zeros)
	require.ErrorContains(t, err, "another user")
}

// One at a time, also within a process, and whoever waits leaves with its context.
func TestOneHolder(t *testing.T) {
	dir := t.TempDir() + "/d"
	d := open(t, dir)
	e, err := d.Hold(t.Context(), name)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err = open(t, dir).Hold(ctx, name)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	free, err := d.Hold(t.Context(), other)
	require.NoError(t, err, "another entry is another lock")
	free.Release()
	e.Release()

	save(t, d, name, "0")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			mine := open(t, dir)
			for range 5 {
				e, err := mine.Hold(t.Context(), name)
				if err != nil {
					t.Error(err)
					return
				}
				data, err := e.Load()
				n, _ := strconv.Atoi(string(data))
				if err = errors.Join(err, e.Save([]byte(strconv.Itoa(n+1)))); err != nil {
					t.Error(err)
				}
				e.Release()
			}
		})
	}
	wg.Wait()
	got, err := load(t, d, name)
	require.NoError(t, err)
	require.Equal(t, "40", got)
}

const (
	stepVariable = "LAKEKEY_TEST_KEEP_STEP"
	dirVariable  = "LAKEKEY_TEST_KEEP_DIR"
)

// TestVictim is a process that TestKilled starts, which kills itself at a step.
func TestVictim(t *testing.T) {
	step := os.Getenv(stepVariable)
	if step == "" {
		return // nobody is to be killed
	}
	d := open(t, os.Getenv(dirVariable))
	keep.OnStep(d, func(at string) {
		if at == step {
			self, _ := os.FindProcess(os.Getpid())
			_ = self.Kill()
			select {}
		}
	})
	_, _ = load(t, d, name)
	save(t, d, name, "new")
	t.Fatal("the step does not exist")
}

// Whoever is killed, at whatever step, leaves the old content or the new, and no
// lock.
func TestKilled(t *testing.T) {
	for step, left := range map[string]string{"locked": "old", "loaded": "old", "reserved": "old", "written": "old", "flushed": "old", "renamed": "new"} {
		t.Run(step, func(t *testing.T) {
			dir := t.TempDir() + "/d"
			d := open(t, dir)
			save(t, d, name, "old")
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestVictim$")
			cmd.Env = append(os.Environ(), stepVariable+"="+step, dirVariable+"="+dir)
			out, err := cmd.CombinedOutput()
			require.Error(t, err)
			require.NotContains(t, string(out), "does not exist")
			got, err := load(t, d, name)
			require.NoError(t, err)
			require.Equal(t, left, got)
			save(t, d, name, "next")
			got, err = load(t, d, name)
			require.NoError(t, err)
			require.Equal(t, "next", got)
			require.NoFileExists(t, filepath.Join(dir, name+".new"))
		})
	}
}

func TestKeyFile(t *testing.T) {
	root := t.TempDir()
	path := filepath.Join(root, "keys", "session.key")
	var wg sync.WaitGroup
	dirs := make([]*keep.Dir, 8)
	for i := range dirs {
		wg.Go(func() {
			d, err := keep.Open(t.Context(), filepath.Join(root, "d"), keep.KeyFile(path))
			if err != nil {
				t.Error(err)
			}
			dirs[i] = d
		})
	}
	wg.Wait()
	save(t, dirs[0], name, "shared") // all have the key that one of them made
	for _, d := range dirs {
		got, err := load(t, d, name)
		require.NoError(t, err)
		require.Equal(t, "shared", got)
	}
	info, err := os.Stat(path)
	require.NoError(t, err)
	if os.PathSeparator == '/' {
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	}
	for _, bad := range []string{"", "hello", strings.Repeat("A", 500)} {
		require.NoError(t, os.WriteFile(path, []byte(bad), 0o600))
		_, err = keep.Open(t.Context(), filepath.Join(root, "d"), keep.KeyFile(path))
		require.ErrorContains(t, err, "is no key")
	}
	_, err = keep.Open(t.Context(), filepath.Join(root, "d"), given("short"))
	require.ErrorContains(t, err, "5 bytes")
	_, err = keep.Open(t.Context(), "", zeros)
	require.Error(t, err)
}

// Whatever a file holds, it opens only if we sealed it.
func FuzzUnseal(f *testing.F) {
	dir := f.TempDir() + "/d"
	d, err := keep.Open(f.Context(), dir, zeros)
	require.NoError(f, err)
	f.Add(keep.Seal(d, name, []byte("content")))
	f.Add([]byte("lakekey sealed session 1\n"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, file []byte) {
		data, err := keep.Unseal(d, other, file)
		if err == nil {
			t.Fatalf("opened %q as %q", file, data)
		}
		if data, err = keep.Unseal(d, name, file); err == nil && string(data) != "content" {
			t.Fatalf("opened something else: %q", data)
		}
	})
}

func ExampleOpen() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	store, err := keep.Open(context.Background(), filepath.Join(dir, "sessions"), keep.KeyFile(filepath.Join(dir, "key")))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%T\n", store) // goes into oidc.SignInRequest.Store
	// Output: *keep.Dir
}
