//go:build darwin || dragonfly || freebsd || illumos || linux || netbsd || openbsd

package mds

import (
	"errors"
	"os"
	"syscall"
)

// tryLock takes the lock that ends with f, if nobody has it. Two opens in one
// process exclude each other as well.
func tryLock(f *os.File) (bool, error) {
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return false, nil
		}
		if !errors.Is(err, syscall.EINTR) {
			return err == nil, err
		}
	}
}
