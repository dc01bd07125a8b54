package remote

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// maxPath is what fits into a sockaddr_un everywhere.
const maxPath = 103

// probeTimeout is how long a socket that may be a dead one is tried.
const probeTimeout = time.Second

// errUnsupported: without knowing who asks, anybody could.
var errUnsupported = fmt.Errorf("remote: this operating system does not say who is at the other end of a socket: %w", errors.ErrUnsupported)

// Listener is the socket beside the key.
type Listener struct {
	inner *net.UnixListener
	lock  *os.File
}

// Listen makes a socket of mode 0600. Its directory must belong to the user and
// be closed to everybody else; one that is not there is made with mode 0700.
//
// What an ended process left behind is replaced; a socket on which somebody
// answers is not, and neither is a file that is no socket: [ErrInUse]. Beside the
// socket stays an empty lock file, path.lock.
func Listen(path string) (*Listener, error) {
	if !supported {
		return nil, errUnsupported
	}
	if len(path) > maxPath {
		return nil, fmt.Errorf("remote: the path of the socket is longer than %d bytes: %s", maxPath, path)
	}
	if err := ownDirectory(filepath.Dir(path)); err != nil {
		return nil, err
	}
	// The lock decides between two that start at once. Without it, both could
	// find a dead socket, and the slower one would remove the other's live one.
	lock, err := os.OpenFile(path+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("remote: opening the lock file: %w", err)
	}
	l, err := listen(path, lock)
	if err != nil {
		lock.Close()
		return nil, err
	}
	return l, nil
}

func listen(path string, lock *os.File) (*Listener, error) {
	if err := lockFile(lock); err != nil {
		return nil, fmt.Errorf("%w: %s is served by another process", ErrInUse, path)
	}
	if err := removeDead(path); err != nil {
		return nil, err
	}
	inner, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("remote: making the socket: %w", err)
	}
	// Nobody else could reach it before: the directory is closed.
	if err := os.Chmod(path, 0o600); err != nil {
		inner.Close()
		return nil, fmt.Errorf("remote: closing the socket to others: %w", err)
	}
	return &Listener{inner: inner, lock: lock}, nil
}

// Path is where the socket is: the local end for ssh -R.
func (l *Listener) Path() string { return l.inner.Addr().String() }

// Close removes the socket. A Server on it ends.
func (l *Listener) Close() error {
	err := l.inner.Close()
	// After the socket is gone, so that no successor's is removed.
	l.lock.Close()
	if err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("remote: closing the socket: %w", err)
	}
	return nil
}

func ownDirectory(dir string) error {
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("remote: making the directory of the socket: %w", err)
	}
	info, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("remote: looking at the directory of the socket: %w", err)
	}
	switch {
	case !info.IsDir():
		return fmt.Errorf("remote: %s is no directory", dir)
	case !ownedBy(info, os.Geteuid()):
		return fmt.Errorf("remote: the directory %s belongs to another user: give the socket one of its own", dir)
	case info.Mode()&fs.ModeSticky != 0: // /tmp: to close it would be wrong
		return fmt.Errorf("remote: the directory %s is everybody's: give the socket one of its own", dir)
	case info.Mode().Perm()&0o077 != 0:
		return fmt.Errorf("remote: the directory %s is open to other users (mode %04o): give the socket one of its own, or run: chmod 700 %s", dir, info.Mode().Perm(), dir)
	}
	return nil
}

// removeDead removes a socket on which nobody listens.
func removeDead(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("remote: looking at the socket: %w", err)
	case info.Mode().Type() != fs.ModeSocket:
		return fmt.Errorf("%w: %s is there and is no socket", ErrInUse, path)
	}
	conn, err := net.DialTimeout("unix", path, probeTimeout)
	if err == nil {
		conn.Close()
		return fmt.Errorf("%w: somebody answers on %s", ErrInUse, path)
	}
	// Only a refusal proves that nobody is there; a full backlog, for instance,
	// proves the opposite.
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("%w: trying %s: %v", ErrInUse, path, err)
	}
	if err := os.Remove(path); err != nil {
		return fmt.Errorf("remote: removing the dead socket: %w", err)
	}
	return nil
}
