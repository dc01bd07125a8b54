//go:build !windows

package keep

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// noFollow refuses a symbolic link as the last part of a path.
const noFollow = syscall.O_NOFOLLOW

func linked(err error) bool { return errors.Is(err, syscall.ELOOP) || errors.Is(err, syscall.EMLINK) }

func readOnly(err error) bool { return errors.Is(err, syscall.EROFS) }

// private reports what is wrong if others than this process's person own or reach
// a file.
func private(info fs.FileInfo) error {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok && int(stat.Uid) != os.Geteuid() {
		return fmt.Errorf("belongs to another user (%d)", stat.Uid)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return fmt.Errorf("is open to others (%04o): chmod go= if it is yours", info.Mode().Perm())
	}
	return nil
}

// lockFile takes an exclusive lock or fails at once. The kernel gives it up with
// the descriptor, so that a crash leaves nothing locked.
func lockFile(f *os.File) error {
	return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
}

func busy(err error) bool {
	return errors.Is(err, syscall.EWOULDBLOCK) || errors.Is(err, syscall.EINTR)
}

// syncDir makes a rename in dir durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
