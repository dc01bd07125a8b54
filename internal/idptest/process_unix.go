//go:build unix

package idptest

import (
	"os/exec"
	"syscall"
	"testing"
)

// alone gives the program a process group of its own, which is what ends with it,
// and which a Ctrl-C in the terminal does not reach: that is for the tests.
func alone(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

func supported(testing.TB) {}
