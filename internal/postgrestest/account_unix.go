//go:build unix

package postgrestest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"syscall"
	"testing"
)

// account is whom the server runs as.
type account struct {
	credential *syscall.Credential // nil: whoever runs the tests
}

// unprivileged is the account for a server that root starts.
// https://www.postgresql.org/docs/current/postgres-user.html
func unprivileged() (account, error) {
	if os.Geteuid() != 0 {
		return account{}, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err := strconv.ParseUint(u.Uid, 10, 32)
		if err != nil {
			return account{}, fmt.Errorf("postgrestest: the user id of %s: %v", name, err)
		}
		gid, err := strconv.ParseUint(u.Gid, 10, 32)
		if err != nil {
			return account{}, fmt.Errorf("postgrestest: the group id of %s: %v", name, err)
		}
		return account{&syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}, nil
	}
	return account{}, errors.New("postgrestest: PostgreSQL does not run as root, and there is neither an account postgres nor nobody to run it as")
}

// give makes the account the owner of a folder.
func (a account) give(folder string) error {
	if a.credential == nil {
		return nil
	}
	return os.Chown(folder, int(a.credential.Uid), int(a.credential.Gid))
}

// run makes cmd run as the account, and in a process group of its own: a Ctrl-C
// in the terminal is for the tests, which take the server along in their own time.
func (a account) run(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: a.credential, Setpgid: true}
}

func supported(testing.TB) {}
