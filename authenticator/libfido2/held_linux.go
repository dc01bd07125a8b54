//go:build libfido2 && cgo && !386 && !arm && !mips && !mipsle

package libfido2

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"golang.org/x/sys/unix"
)

// held reports whether another program has locked the key at a path, in the way of
// libfido2 and of package hid: flock on the node. It says why the node cannot be
// opened, which libfido2 does not.
func held(path string) (bool, error) {
	if !strings.HasPrefix(path, "/") {
		return false, nil // no node: nfc:…, pcsc:…
	}
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ENODEV), errors.Is(err, unix.ENXIO), errors.Is(err, unix.EIO):
		return false, fmt.Errorf("%w: %s", ErrRemoved, path)
	case errors.Is(err, fs.ErrPermission):
		return false, fmt.Errorf("libfido2: opening %s: %w: install the udev rules for security keys (Debian: package libfido2-1) and plug the key in again", path, fs.ErrPermission)
	case err != nil:
		return false, fmt.Errorf("libfido2: opening %s: %v", path, err)
	}
	err = unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB)
	unix.Close(fd)
	return errors.Is(err, unix.EWOULDBLOCK), nil
}
