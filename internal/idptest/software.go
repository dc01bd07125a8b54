package idptest

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// installed returns where .ci/idps has put a part of the software.
func installed(t testing.TB, part ...string) string {
	t.Helper()
	supported(t)
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Skipf("idptest: there is no cache directory, so nothing was tested against %s: %v", part[0], err)
	}
	path := filepath.Join(append([]string{cache, "lakekey", "idps"}, part...)...)
	if _, err := os.Stat(path); err != nil {
		t.Skipf("idptest: %s is not installed, so nothing was tested against it: run .ci/idps (%v)", part[0], err)
	}
	return path
}

// program returns the path of a program that the system provides.
func program(t testing.TB, name, what string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("idptest: %s is not installed, so nothing was tested against %s: run .ci/idps", name, what)
	}
	return path
}
