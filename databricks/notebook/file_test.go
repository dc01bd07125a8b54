package notebook_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/databricks/notebook"
)

func write(t *testing.T, path, data string) string {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, []byte(data), 0o600))
	return path
}

func names(t *testing.T, dir string) (all []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

func TestCleanFile(t *testing.T) {
	s := notebook.NewScanner()
	dir := t.TempDir()
	path := write(t, filepath.Join(dir, "real", "a.ipynb"), printed(quoted(pat())))
	require.NoError(t, os.Chmod(path, 0o640))
	mode := func() fs.FileMode {
		info, err := os.Stat(path)
		require.NoError(t, err)
		return info.Mode()
	}
	before := mode()
	link := filepath.Join(dir, "link.ipynb")
	if runtime.GOOS != "windows" {
		require.NoError(t, os.Symlink(path, link))
	} else {
		link = path
	}
	found, err := s.FindFile(t.Context(), link)
	require.NoError(t, err)
	require.Len(t, found, 1)
	removed, left, err := s.CleanFile(t.Context(), link, notebook.Options{})
	require.NoError(t, err)
	require.Equal(t, found, removed)
	require.Empty(t, left)
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, printed(`"[removed: databricks-token]"`), string(data))
	require.Equal(t, before, mode())
	require.Equal(t, []string{"a.ipynb"}, names(t, filepath.Dir(path)), "something was left beside it")

	// There is nothing to do any more: it is not written, not even as it is.
	was, err := os.Stat(path)
	require.NoError(t, err)
	_, _, err = s.CleanFile(t.Context(), path, notebook.Options{})
	require.NoError(t, err)
	is, err := os.Stat(path)
	require.NoError(t, err)
	require.True(t, os.SameFile(was, is))
}

func TestFilesThatCannotBeRead(t *testing.T) {
	s := notebook.NewScanner()
	dir := t.TempDir()
	large := filepath.Join(dir, "large.ipynb")
	f, err := os.Create(large)
	require.NoError(t, err)
	require.NoError(t, f.Truncate(notebook.MaxSize+1)) // a hole, which takes no room
	require.NoError(t, f.Close())
	_, err = s.FindFile(t.Context(), large)
	require.ErrorIs(t, err, notebook.ErrTooLarge)
	_, _, err = s.CleanFile(t.Context(), large, notebook.Options{})
	require.ErrorIs(t, err, notebook.ErrTooLarge)

	_, err = s.FindFile(t.Context(), filepath.Join(dir, "none.ipynb"))
	require.ErrorIs(t, err, fs.ErrNotExist)
	_, _, err = s.CleanFile(t.Context(), filepath.Join(dir, "none.ipynb"), notebook.Options{})
	require.ErrorIs(t, err, fs.ErrNotExist)
	_, err = s.FindFile(t.Context(), dir)
	require.ErrorIs(t, err, notebook.ErrNotNotebook)

	broken := write(t, filepath.Join(dir, "broken.ipynb"), printed(quoted(pat()))[1:])
	_, _, err = s.CleanFile(t.Context(), broken, notebook.Options{})
	require.ErrorIs(t, err, notebook.ErrNotNotebook)
}

// A cleaning that loses to somebody else's write leaves what they wrote.
func TestWrittenMeanwhile(t *testing.T) {
	dir := t.TempDir()
	path := write(t, filepath.Join(dir, "a.ipynb"), printed(quoted(pat())))
	info, err := os.Stat(path)
	require.NoError(t, err)
	newer := printed(quoted(pat() + " and an hour's work"))
	write(t, path, newer)
	err = notebook.Replace(path, []byte(printed(quoted(pat()))), []byte("{}"), info)
	require.ErrorContains(t, err, "somebody else has written it meanwhile")
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, newer, string(data))
	require.Equal(t, []string{"a.ipynb"}, names(t, dir))
}

func TestFiles(t *testing.T) {
	dir := t.TempDir()
	for _, path := range []string{"a.ipynb", "deep/er/b.IPYNB", ".ipynb_checkpoints/a-checkpoint.ipynb", ".git/c.ipynb", "notes.txt", "empty.py"} {
		write(t, filepath.Join(dir, path), "")
	}
	write(t, filepath.Join(dir, "etl.py"), "# Databricks notebook source\n")
	write(t, filepath.Join(dir, "etl.sql"), "-- Databricks notebook source\n")
	write(t, filepath.Join(dir, "program.py"), "import os\n"+strings.Repeat("#", 1000))
	var all []string
	require.NoError(t, notebook.Files(t.Context(), dir, func(path string) error {
		rel, err := filepath.Rel(dir, path)
		all = append(all, filepath.ToSlash(rel))
		return err
	}))
	require.Equal(t, []string{".ipynb_checkpoints/a-checkpoint.ipynb", "a.ipynb", "deep/er/b.IPYNB", "etl.py", "etl.sql"}, all)

	enough := errors.New("enough")
	require.ErrorIs(t, notebook.Files(t.Context(), dir, func(string) error { return enough }), enough)
	require.ErrorIs(t, notebook.Files(t.Context(), filepath.Join(dir, "none"), nil), fs.ErrNotExist)
}
