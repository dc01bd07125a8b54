package softkey

import (
	"os"

	"golang.org/x/sys/windows"
)

// lockFile takes an exclusive lock or fails at once. The kernel gives it up with
// the handle, so that a crash leaves nothing locked.
func lockFile(f *os.File) error {
	return windows.LockFileEx(windows.Handle(f.Fd()), windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, new(windows.Overlapped))
}

// syncDir does nothing: Windows has no handle of a directory to flush.
func syncDir(string) error { return nil }
