package hid

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// node is an open character device that carries reports. Reads and writes by one
// goroutine at a time; interrupt and close by any.
type node struct {
	path    string
	file    *os.File
	raw     syscall.RawConn
	stream  bool // a terminal: no record boundaries
	torn    bool // a report was written in part
	in, out int  // report sizes

	// What try reads for read: made once, so that a read does not allocate.
	report []byte
	err    error
	try    func(fd uintptr) bool
}

// openNode opens and locks a node. It waits while another program has the lock.
func openNode(ctx context.Context, path string) (*node, error) {
	// O_NONBLOCK: opening must not wait for a modem's carrier or a FIFO's writer.
	file, err := os.OpenFile(path, os.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, openError(path, err)
	}
	n := &node{path: path, file: file}
	n.try = n.readOnce
	if err := n.prepare(); err != nil {
		file.Close()
		return nil, err
	}
	if err := n.lock(ctx); err != nil {
		file.Close()
		return nil, err
	}
	return n, nil
}

func openError(path string, err error) error {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return &PermissionError{Path: path}
	case removed(err):
		return fmt.Errorf("opening %s: %w", path, ErrRemoved)
	default:
		return fmt.Errorf("hid: %v", err)
	}
}

// removed reports whether err is how the kernel says that a device is gone.
func removed(err error) bool {
	return errors.Is(err, unix.ENODEV) || errors.Is(err, unix.ENXIO) || errors.Is(err, unix.EIO) ||
		errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ESHUTDOWN) || errors.Is(err, unix.EPIPE)
}

// prepare finds out what the node is.
func (n *node) prepare() error {
	info, err := n.file.Stat()
	if err != nil {
		return fmt.Errorf("hid: %v", err)
	}
	if info.Mode()&fs.ModeCharDevice == 0 {
		return fmt.Errorf("hid: %s is not a device", n.path)
	}
	// Every key can be waited for; /dev/null, say, cannot.
	if errors.Is(n.file.SetDeadline(time.Time{}), os.ErrNoDeadline) {
		return fmt.Errorf("hid: %s is not a security key", n.path)
	}
	if n.raw, err = n.file.SyscallConn(); err != nil {
		return fmt.Errorf("hid: %v", err)
	}
	n.in, n.out = defaultReport, defaultReport
	return n.control(func(fd int) error {
		var size uint32
		if v, err := unix.IoctlGetUint32(fd, unix.HIDIOCGRDESCSIZE); err == nil {
			size = v
		} else {
			_, err := unix.IoctlGetTermios(fd, unix.TCGETS)
			n.stream = err == nil
			return nil
		}
		descriptor := unix.HIDRawReportDescriptor{Size: size}
		if err := unix.IoctlHIDGetDesc(fd, &descriptor); err != nil {
			return openError(n.path, err)
		}
		d := parseDescriptor(descriptor.Value[:min(size, uint32(len(descriptor.Value)))])
		if !d.fido {
			return fmt.Errorf("hid: %s is not a security key", n.path) // frames would be keystrokes or worse to it
		}
		if d.in > 0 {
			n.in = d.in
		}
		if d.out > 0 {
			n.out = d.out
		}
		return nil
	})
}

func (n *node) control(f func(fd int) error) error {
	var err error
	if e := n.raw.Control(func(fd uintptr) { err = f(int(fd)) }); e != nil {
		return fmt.Errorf("hid: %v", e)
	}
	return err
}

const (
	lockSoon  = 5 * time.Millisecond
	lockLater = 100 * time.Millisecond
)

// lock takes the advisory lock that libfido2 takes. There is no way to be told when it
// becomes free without blocking a thread for good, so we ask.
func (n *node) lock(ctx context.Context) error {
	for wait := lockSoon; ; wait = min(2*wait, lockLater) {
		err := n.control(func(fd int) error { return unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB) })
		switch {
		case err == nil:
			return nil
		case removed(err):
			return fmt.Errorf("opening %s: %w", n.path, ErrRemoved)
		case !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR):
			return fmt.Errorf("hid: locking %s: %v", n.path, err)
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return &BusyError{Path: n.path, Err: ctx.Err()}
		}
	}
}

// read fills report with one report. It ends with os.ErrDeadlineExceeded after
// interrupt or the deadline.
func (n *node) read(report []byte) error {
	n.report, n.err = report, nil
	err := n.raw.Read(n.try)
	n.report = nil
	if err == nil {
		err = n.err
	}
	return n.ioError(err)
}

// readOnce reports whether there was a report or an error.
func (n *node) readOnce(fd uintptr) bool {
	if n.stream {
		// A report must be taken whole: with part of it gone, a terminal whose VMIN is a
		// report's length (what libfido2 needs) would not wake us for the rest.
		available, err := unix.IoctlGetInt(int(fd), unix.TIOCINQ)
		if err != nil {
			n.err = err
			return true
		}
		if available < len(n.report) {
			// A terminal that was hung up is readable, with nothing to read.
			if hungUp(int(fd)) {
				n.err = unix.EIO
				return true
			}
			return false
		}
	}
	count, err := unix.Read(int(fd), n.report)
	switch {
	case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EINTR):
		return false
	case err != nil:
		n.err = err
	case count == 0:
		n.err = unix.EIO
	default:
		clear(n.report[count:])
	}
	return true
}

func hungUp(fd int) bool {
	p := []unix.PollFd{{Fd: int32(fd)}}
	count, err := unix.Poll(p, 0)
	return err == nil && count > 0 && p[0].Revents&(unix.POLLHUP|unix.POLLERR|unix.POLLNVAL) != 0
}

// write sends one report, which begins with the report number, always 0.
func (n *node) write(report []byte) error {
	if n.torn {
		return ErrNotResponding
	}
	count, err := n.file.Write(report)
	// On a stream the key could not tell where the next report begins.
	n.torn = n.stream && count > 0 && count < len(report)
	return n.ioError(err)
}

func (n *node) ioError(err error) error {
	switch {
	case err == nil, errors.Is(err, os.ErrDeadlineExceeded):
		return err
	case errors.Is(err, os.ErrClosed):
		return errClosed
	case removed(err):
		return ErrRemoved
	default:
		return fmt.Errorf("hid: %v", err)
	}
}

// deadline ends reads and writes at t; zero: never.
func (n *node) deadline(t time.Time) error {
	if err := n.file.SetDeadline(t); err != nil {
		return n.ioError(err)
	}
	return nil
}

// interrupt ends the reads and writes under way, until the next deadline.
func (n *node) interrupt() { _ = n.file.SetDeadline(time.Unix(1, 0)) }

func (n *node) close() error {
	if err := n.file.Close(); err != nil {
		return fmt.Errorf("hid: %v", err)
	}
	return nil
}
