package terminal

import "golang.org/x/sys/unix"

// flush drops what was typed and not read.
func flush(fd uintptr) { _ = unix.IoctlSetInt(int(fd), unix.TCFLSH, unix.TCIFLUSH) }
