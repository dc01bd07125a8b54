package examples_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// leaked is a token that nobody's scanner finds in this file.
var leaked = "dapi" + strings.Repeat("0f1e2d3c", 4)

func notebookWith(output, source string) string {
	return `{"cells":[{"cell_type":"code","execution_count":1,"id":"a","metadata":{},"outputs":[{"name":"stdout","output_type":"stream","text":["` + output +
		`\n"]}],"source":["print('` + source + `')"]}],"metadata":{},"nbformat":4,"nbformat_minor":5}` + "\n"
}

func put(t *testing.T, path, text string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
}

// nbclean runs the program; what it says is never what it found.
func nbclean(t *testing.T, dir string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	stdout, stderr, code = call(t, dir, "nbclean", args...)
	require.NotContains(t, stdout+stderr, leaked[4:20])
	return stdout, stderr, code
}

func TestNbclean(t *testing.T) {
	dir := t.TempDir()
	for _, path := range []string{"a.ipynb", "deep/.ipynb_checkpoints/a-checkpoint.ipynb"} {
		put(t, filepath.Join(dir, path), notebookWith(leaked, "hello"))
	}
	put(t, filepath.Join(dir, "clean.ipynb"), notebookWith("nothing", "hello"))
	put(t, filepath.Join(dir, "notes.txt"), leaked)

	out, said, code := nbclean(t, dir, "-check", ".")
	require.Equal(t, 1, code, said)
	require.Equal(t, 2, strings.Count(out, "databricks-token in cell 1, output 1"), out)
	require.Contains(t, said, "tokens found: 2")
	out, said, code = nbclean(t, dir, "notes.txt")
	require.Zero(t, code, said)
	require.Empty(t, out)

	out, said, code = nbclean(t, dir, ".")
	require.Zero(t, code, said)
	require.Contains(t, out, "a.ipynb:1:")
	require.Contains(t, said, "tokens removed: 2")
	data, err := os.ReadFile(filepath.Join(dir, "a.ipynb"))
	require.NoError(t, err)
	require.Equal(t, notebookWith("[removed: databricks-token]", "hello"), string(data))
	out, said, code = nbclean(t, dir, "-check", ".")
	require.Zero(t, code)
	require.Empty(t, out+said)

	// What stands in source is left, and fails, until it is asked for.
	put(t, filepath.Join(dir, "source.ipynb"), notebookWith(leaked, leaked))
	out, _, code = nbclean(t, dir, "-json", "source.ipynb", "clean.ipynb")
	require.Equal(t, 1, code)
	var report struct {
		Notebooks, Removed, Left int
		Findings                 []struct {
			Path, Kind, Area, Fingerprint string
			Cell, Output, Line            int
			Removed                       bool
		}
		Errors []any
	}
	require.NoError(t, json.Unmarshal([]byte(out), &report))
	require.Equal(t, []int{2, 1, 1, 2}, []int{report.Notebooks, report.Removed, report.Left, len(report.Findings)})
	require.Equal(t, "source", report.Findings[1].Area)
	require.False(t, report.Findings[1].Removed)
	require.NotNil(t, report.Errors)
	_, _, code = nbclean(t, dir, "-source", "source.ipynb")
	require.Zero(t, code)
	_, _, code = nbclean(t, dir, "-check", "source.ipynb")
	require.Zero(t, code)
}

// What cannot be found out is not taken for clean.
func TestNbcleanRefuses(t *testing.T) {
	dir := t.TempDir()
	put(t, filepath.Join(dir, "broken.ipynb"), notebookWith("x", "y")[1:])
	put(t, filepath.Join(dir, "conflict.ipynb"), "<<<<<<< HEAD\n"+notebookWith(leaked, "y"))
	for want, all := range map[int][][]string{
		2: {{}, {"none.ipynb"}, {"broken.ipynb"}, {"-staged", "x"}, {"-check", "-source", "."}, {"-nonsense"}},
		1: {{"conflict.ipynb"}, {"-check", "."}},
		0: {{"-h"}, {"-check", "broken.ipynb"}},
	} {
		for _, args := range all {
			_, said, code := nbclean(t, dir, args...)
			require.Equal(t, want, code, "%q: %s", args, said)
		}
	}
}

// A git hook sees what is committed, whatever lies in the folder.
func TestNbcleanHook(t *testing.T) {
	dir := t.TempDir()
	git := func(args ...string) (string, error) {
		cmd := exec.Command("git", args...)
		cmd.Dir = dir
		cmd.Env = append(environment(dir), "GIT_CONFIG_NOSYSTEM=1", "GIT_AUTHOR_NAME=ada", "GIT_AUTHOR_EMAIL="+ada, "GIT_COMMITTER_NAME=ada", "GIT_COMMITTER_EMAIL="+ada)
		out, err := cmd.CombinedOutput()
		require.NotContains(t, string(out), leaked[4:20])
		return string(out), err
	}
	must := func(args ...string) {
		t.Helper()
		out, err := git(args...)
		require.NoError(t, err, out)
	}
	must("init", "-q")
	_, said, code := nbclean(t, dir, "install")
	require.Zero(t, code, said)
	_, said, code = nbclean(t, t.TempDir(), "install", "-dir", dir) // again, from elsewhere
	require.Zero(t, code, said)

	name := "with space é.ipynb"
	put(t, filepath.Join(dir, name), notebookWith("nothing", "x"))
	must("add", ".")
	must("commit", "-q", "-m", "first")

	put(t, filepath.Join(dir, name), notebookWith(leaked, "x"))
	must("add", ".")
	put(t, filepath.Join(dir, name), notebookWith("nothing", "x")) // too late
	out, err := git("commit", "-q", "-m", "second")
	require.Error(t, err)
	require.Contains(t, out, "databricks-token in cell 1, output 1")

	must("add", ".")
	put(t, filepath.Join(dir, name), notebookWith(leaked, "x")) // not committed
	must("commit", "-q", "--allow-empty", "-m", "third")
	out, err = git("commit", "-q", "-a", "-m", "fourth") // -a has an index of its own
	require.Error(t, err, out)
	must("checkout", "-q", ".")
	must("rm", "-q", name)
	must("commit", "-q", "-m", "gone")

	// Somebody's own hook stays.
	put(t, filepath.Join(dir, ".git", "hooks", "pre-commit"), "#!/bin/sh\ntrue\n")
	_, said, code = nbclean(t, dir, "install")
	require.Equal(t, 1, code)
	require.Contains(t, said, "-staged || exit 1")
	_, _, code = nbclean(t, t.TempDir(), "-staged")
	require.Equal(t, 2, code, "no repository")
}

// The hooks for pre-commit name the program as it is, and files that it looks at.
func TestNbcleanPreCommit(t *testing.T) {
	hooks, err := os.ReadFile("../.pre-commit-hooks.yaml")
	require.NoError(t, err)
	entries := regexp.MustCompile(`(?m)^  entry: (.*)$`).FindAllSubmatch(hooks, -1)
	files := regexp.MustCompile(`(?m)^  files: '(.*)'$`).FindAllSubmatch(hooks, -1)
	require.Len(t, entries, 2)
	require.Len(t, files, 2)
	for i, want := range []int{0, 1} { // one cleans, one fails
		dir := t.TempDir()
		put(t, filepath.Join(dir, "a.ipynb"), notebookWith(leaked, "x"))
		put(t, filepath.Join(dir, "program.py"), "x = '"+leaked+"'\n")
		put(t, filepath.Join(dir, "notes.txt"), leaked)
		args := strings.Fields(string(entries[i][1]))
		for _, name := range []string{"a.ipynb", "program.py", "notes.txt"} {
			if regexp.MustCompile(string(files[i][1])).MatchString(name) {
				args = append(args, name)
			}
		}
		require.Len(t, args, 3+i)
		out, said, code := call(t, dir, args[0], args[1:]...)
		require.Equal(t, want, code, said)
		require.Equal(t, 1, strings.Count(out, "databricks-token"), out)
	}
}

// notebooks is a repository with a notebook that holds a token, for the README's commands.
func notebooks(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "notebooks")
	put(t, filepath.Join(dir, "a.ipynb"), notebookWith(leaked, "x"))
	out, err := exec.Command("git", "init", "-q", dir).CombinedOutput()
	require.NoError(t, err, string(out))
	return dir
}
