//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package terminal

import "golang.org/x/sys/unix"

// flush drops what was typed and not read.
func flush(fd uintptr) {
	const input = 0x1 // FREAD of sys/fcntl.h
	_ = unix.IoctlSetPointerInt(int(fd), unix.TIOCFLUSH, input)
}
