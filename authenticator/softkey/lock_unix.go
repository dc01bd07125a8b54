//go:build !windows

package softkey

import (
	"fmt"
	"os"
	"syscall"
)

// lockFile takes an exclusive lock or fails at once. The kernel gives it up with
// the descriptor, so that a crash leaves nothing locked.
func lockFile(f *os.File) error {
	return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
}

// syncDir makes a rename in dir durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("softkey: writing the key: %v", err)
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return fmt.Errorf("softkey: writing the key: %v", err)
	}
	return nil
}
