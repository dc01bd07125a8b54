//go:build !unix

package idptest

import (
	"os/exec"
	"testing"
)

func alone(*exec.Cmd) {}

func supported(t testing.TB) {
	t.Helper()
	t.Skip("idptest: starts providers on Unix only, so nothing was tested against them")
}
