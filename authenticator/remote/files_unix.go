//go:build linux || darwin || freebsd

package remote

import (
	"io/fs"
	"net"
	"os"
	"syscall"
)

// supported tells whether the operating system says who is at the other end.
const supported = true

// lockFile takes an exclusive lock or fails at once. The kernel gives it up with
// the descriptor, so that a crash leaves nothing locked.
func lockFile(f *os.File) error {
	return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
}

// peerUID is the user at the other end of a socket.
func peerUID(conn *net.UnixConn) (int, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return -1, err
	}
	var uid uint32
	if controlErr := raw.Control(func(fd uintptr) { uid, err = userOf(int(fd)) }); controlErr != nil {
		err = controlErr
	}
	if err != nil {
		return -1, err
	}
	return int(uid), nil
}

func ownedBy(info fs.FileInfo, uid int) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) == uid
}
