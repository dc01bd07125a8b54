package keep

import (
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/windows"
)

// noFollow is nothing: making a symbolic link is a privilege on Windows.
const noFollow = 0

func linked(error) bool { return false }

func readOnly(err error) bool { return errors.Is(err, windows.ERROR_WRITE_PROTECT) }

// private knows nothing of access lists, which the directory's owner sets.
func private(fs.FileInfo) error { return nil }

// lockFile takes an exclusive lock or fails at once. The kernel gives it up with
// the handle, so that a crash leaves nothing locked.
func lockFile(f *os.File) error {
	return windows.LockFileEx(windows.Handle(f.Fd()), windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, new(windows.Overlapped))
}

func busy(err error) bool {
	return errors.Is(err, windows.ERROR_LOCK_VIOLATION) || errors.Is(err, windows.ERROR_IO_PENDING)
}

// syncDir does nothing: Windows has no handle of a directory to flush.
func syncDir(string) error { return nil }
