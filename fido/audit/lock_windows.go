package audit

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/windows"
)

// lockFile takes the lock that ends with f. Locks on Windows keep others from
// reading what is locked, so the byte that is locked lies where no log ends: an
// auditor may read the file while it is written.
func lockFile(f *os.File) error {
	far := &windows.Overlapped{OffsetHigh: 1 << 30}
	err := windows.LockFileEx(windows.Handle(f.Fd()), windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, far)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, windows.ERROR_LOCK_VIOLATION):
		return ErrLocked
	default:
		return fmt.Errorf("audit: locking the log: %v", err)
	}
}

// unlockFile does nothing: the lock is the handle's, and ends with it.
func unlockFile(*os.File) {}

// Windows has neither flag; what a path names is looked at before and after.
const noFollow, noBlock = 0, 0

// syncDir does nothing: Windows cannot flush a folder, and does not need to.
func syncDir(string) error { return nil }
