//go:build !unix

package postgrestest

import (
	"os/exec"
	"testing"
)

type account struct{}

func unprivileged() (account, error) { return account{}, nil }

func (account) give(string) error { return nil }

func (account) run(*exec.Cmd) {}

func supported(t testing.TB) {
	t.Helper()
	t.Skip("postgrestest: starts servers on Unix only, so nothing was tested on PostgreSQL")
}
