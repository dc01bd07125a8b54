//go:build !windows

package launch

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	canWait = true
	// glance is how often a reader looks whether it is still wanted.
	glance = 50 * time.Millisecond
	// maxLine is longer than what a terminal takes as one line.
	maxLine = 64 << 10
)

// readLine reads a line from a terminal, and reads nothing unless a line is there:
// a read that is given up would take what is typed for the next program.
func readLine(ctx context.Context, in *os.File) (string, error) {
	var line strings.Builder
	buffer := make([]byte, 4096)
	for {
		if err := ctx.Err(); err != nil {
			return "", err
		}
		there, err := readable(int(in.Fd()))
		if err != nil {
			return "", fmt.Errorf("launch: waiting for the terminal: %v", err)
		}
		if !there {
			continue
		}
		n, err := in.Read(buffer)
		if n == 0 || err != nil { // Ctrl-D, or a terminal that is gone: nobody pastes any more
			<-ctx.Done()
			return "", ctx.Err()
		}
		line.Write(buffer[:n])
		if text, _, ended := strings.Cut(line.String(), "\n"); ended {
			return strings.TrimSpace(text), nil
		}
		if line.Len() > maxLine {
			return "", errors.New("launch: too much was pasted")
		}
	}
}

// readable waits for a glance. It is select and not poll, which knows no terminals
// on macOS.
func readable(fd int) (bool, error) {
	if fd >= unix.FD_SETSIZE {
		return false, errors.New("too many files are open")
	}
	var set unix.FdSet
	set.Set(fd)
	limit := unix.NsecToTimeval(int64(glance))
	n, err := unix.Select(fd+1, &set, nil, nil, &limit)
	if errors.Is(err, unix.EINTR) {
		return false, nil
	}
	return n > 0, err
}
