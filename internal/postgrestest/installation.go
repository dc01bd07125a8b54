package postgrestest

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
)

// programs are what a server is made and driven with. They belong together:
// initdb finds its templates beside itself, and pg_ctl finds postgres.
var programs = []string{"initdb", "pg_ctl", "postgres", "psql"}

// installation is the folder that holds the programs, the newest if there are
// several. Debian does not put the server on PATH.
func installation(t testing.TB) string {
	t.Helper()
	var folders []string
	if path, err := exec.LookPath("postgres"); err == nil {
		if path, err = filepath.EvalSymlinks(path); err == nil {
			folders = append(folders, filepath.Dir(path))
		}
	}
	packaged, err := filepath.Glob("/usr/lib/postgresql/*/bin")
	if err != nil {
		t.Fatalf("postgrestest: looking for PostgreSQL: %v", err)
	}
	slices.SortFunc(packaged, func(a, b string) int { return major(b) - major(a) })
	for _, folder := range append(folders, packaged...) {
		if complete(folder) {
			return folder
		}
	}
	t.Skip("postgrestest: PostgreSQL is not installed (looked on PATH and in /usr/lib/postgresql/*/bin), so nothing was tested on it: apt-get install postgresql")
	return ""
}

func major(folder string) int {
	n, _ := strconv.Atoi(filepath.Base(filepath.Dir(folder))) // 0 for a name of another form: last
	return n
}

func complete(folder string) bool {
	return !slices.ContainsFunc(programs, func(name string) bool {
		_, err := os.Stat(filepath.Join(folder, name))
		return errors.Is(err, os.ErrNotExist)
	})
}
