package examples_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// desk is a terminal with a person at it, who types.
type desk struct{ keyboard, tty *os.File }

func newDesk(t *testing.T) *desk {
	t.Helper()
	keyboard, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	require.NoError(t, err)
	t.Cleanup(func() { keyboard.Close() })
	raw, err := keyboard.SyscallConn()
	require.NoError(t, err)
	number := 0
	require.NoError(t, raw.Control(func(fd uintptr) {
		if err = unix.IoctlSetPointerInt(int(fd), unix.TIOCSPTLCK, 0); err == nil {
			number, err = unix.IoctlGetInt(int(fd), unix.TIOCGPTN)
		}
	}))
	require.NoError(t, err)
	tty, err := os.OpenFile(fmt.Sprint("/dev/pts/", number), os.O_RDWR|unix.O_NOCTTY, 0)
	require.NoError(t, err)
	t.Cleanup(func() { tty.Close() })
	go func() { // what the terminal echoes
		for one := make([]byte, 256); ; {
			if _, err := keyboard.Read(one); err != nil {
				return
			}
		}
	}()
	return &desk{keyboard: keyboard, tty: tty}
}

// answers types answers when a program asks, each as often as its question comes, until
// the program has ended or the test has.
func (d *desk) answers(t *testing.T, p *process, to map[string]string) {
	t.Helper()
	stop := make(chan struct{})
	t.Cleanup(func() { close(stop) })
	go func() {
		answered := map[string]int{}
		for {
			said := p.errs.String()
			for question, answer := range to {
				for ; answered[question] < strings.Count(said, question); answered[question]++ {
					_, _ = d.keyboard.WriteString(answer + "\n")
				}
			}
			select {
			case <-stop:
				return
			case <-time.After(5 * time.Millisecond):
			}
		}
	}()
}

// virtualKey is a software key on a pseudo-terminal, which discovery does not see: the
// program softkey serves it. It says "touched" for each touch.
func virtualKey(t *testing.T, pin string) (path string, key *process) {
	t.Helper()
	sinkOf(t).add("PIN", pin, false)
	key = start(t, t.TempDir(), "softkey", "-file", "usb.key", "-pty", "-pin", pin)
	return key.line(t), key
}

func (p *process) count(text string) int { return strings.Count(p.errs.String(), text) }

// says requires that a program says a text n times on standard error, which arrives here
// a moment later.
func (p *process) says(t *testing.T, n int, text string) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); p.count(text) < n && time.Now().Before(deadline); {
		time.Sleep(5 * time.Millisecond)
	}
	require.Equal(t, n, p.count(text), "%q in %s", text, p.errs)
}
