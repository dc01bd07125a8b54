package softkey

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// PlugPTY plugs the key in behind a pseudo-terminal. Programs that take a device path
// (fido2-token, ssh-keygen -O device=, authenticator/hid) use [Port.Path] like a USB
// key; those that look for keys do not find it. It needs no privileges.
func (k *Key) PlugPTY() (*Port, error) {
	// Not blocking, so that Close ends a read.
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("softkey: opening a pseudo-terminal: %v", err)
	}
	slave, err := openSlave(master)
	if err != nil {
		_ = master.Close() // the other error says more
		return nil, fmt.Errorf("softkey: opening a pseudo-terminal: %v", err)
	}
	return k.plug(slave.Name(), &stream{rw: master, also: slave, flush: func() {
		onFd(slave, func(fd int) error { return unix.IoctlSetInt(fd, unix.TCFLSH, unix.TCIFLUSH) })
	}})
}

// openSlave makes the other end of a pseudo-terminal carry reports. It stays open: with
// nobody there, reading from the master would fail.
func openSlave(master *os.File) (*os.File, error) {
	var number int
	err := onFd(master, func(fd int) (err error) {
		if number, err = unix.IoctlGetInt(fd, unix.TIOCGPTN); err != nil {
			return err
		}
		return unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)
	})
	if err != nil {
		return nil, err
	}
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	err = onFd(slave, func(fd int) error {
		t, err := unix.IoctlGetTermios(fd, unix.TCGETS)
		if err != nil {
			return err
		}
		t.Iflag, t.Oflag, t.Lflag = 0, 0, 0
		t.Cflag = unix.CS8 | unix.CREAD
		t.Cc[unix.VMIN], t.Cc[unix.VTIME] = reportSize, 0 // poll and read wait for whole reports
		return unix.IoctlSetTermios(fd, unix.TCSETS, t)
	})
	if err != nil {
		_ = slave.Close() // the other error says more
		return nil, err
	}
	return slave, nil
}

func onFd(f *os.File, do func(fd int) error) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	if e := raw.Control(func(fd uintptr) { err = do(int(fd)) }); e != nil {
		return e
	}
	return err
}
