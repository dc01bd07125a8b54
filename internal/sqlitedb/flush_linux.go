package sqlitedb

import (
	"errors"
	"os"
	"syscall"
)

// flush writes the content of f to the disk, and of its metadata only what is
// needed to read it back: times alone would cost a second write.
func flush(f *os.File) error {
	for {
		if err := syscall.Fdatasync(int(f.Fd())); !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}
