package idptest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"sync"
	"testing"
)

// process is a program that runs beside the tests.
type process struct {
	name     string
	lifeline io.Closer // its end is the program's
	said     *transcript
	lines    chan string   // what it writes to stdout, as far as somebody listens
	ended    chan struct{} // closed once it has ended
}

// supervise runs a program and ends it when stdin does: when the test process
// closes the pipe, or ends in any way at all. $1 is the signal that ends it, $2 a
// folder that goes with it, or nothing. What it started goes, too, and so does the
// shell: they are one process group. What a shell starts in the background has no
// stdin, hence the third descriptor.
const supervise = `signal=$1 folder=$2; shift 2
exec 3<&0; "$@" </dev/null 3<&- & program=$!
(read -r _ <&3; kill -$signal $program; sleep 30; kill -KILL 0) &
exec 3<&-; wait $program; if [ -n "$folder" ]; then rm -rf "$folder"; fi; kill -KILL 0`

// command is a program to launch.
type command struct {
	name   string
	dir    string
	argv   []string
	env    []string // beside ours
	gentle bool     // it is to tidy up before it ends; then dir goes with it
}

// launch starts a program.
func launch(c command) (*process, error) {
	signal, folder := "KILL", ""
	if c.gentle {
		signal, folder = "TERM", c.dir
	}
	p := &process{name: c.name, said: &transcript{}, lines: make(chan string, 64), ended: make(chan struct{})}
	// The program outlives the context of a test by what cleaning up takes.
	cmd := exec.CommandContext(context.Background(), "/bin/sh", append([]string{"-c", supervise, "sh", signal, folder}, c.argv...)...)
	cmd.Dir, cmd.Env, cmd.Stderr = c.dir, append(cmd.Environ(), c.env...), p.said
	alone(cmd)
	var err error
	if p.lifeline, err = cmd.StdinPipe(); err != nil {
		return nil, fmt.Errorf("idptest: starting %s: %v", c.name, err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("idptest: starting %s: %v", c.name, err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("idptest: starting %s: %v", c.name, err)
	}
	go func() {
		defer close(p.ended)
		defer close(p.lines)
		for from := bufio.NewReader(stdout); ; {
			line, err := from.ReadString('\n')
			_, _ = p.said.Write([]byte(line))
			select {
			case p.lines <- line:
			default: // nobody listens any more
			}
			if err != nil {
				break
			}
		}
		_ = cmd.Wait() // how it ended shows in what it said
	}()
	return p, nil
}

// end ends the program.
func (p *process) end() {
	_ = p.lifeline.Close()
	<-p.ended
}

// with ends the program with the test, and shows what it said if the test failed.
func (p *process) with(t testing.TB) {
	t.Cleanup(func() {
		p.end()
		p.confess(t)
	})
}

func (p *process) confess(t testing.TB) {
	if t.Failed() {
		t.Logf("%s said:\n%s", p.name, p.said)
	}
}

// await returns the first line on stdout in which find finds something, and what.
func (p *process) await(ctx context.Context, find func(line string) string) (string, error) {
	for {
		select {
		case line, ok := <-p.lines:
			if !ok {
				return "", p.died()
			}
			if found := find(line); found != "" {
				return found, nil
			}
		case <-ctx.Done():
			return "", fmt.Errorf("idptest: waiting for %s: %w\n%s", p.name, ctx.Err(), p.said)
		}
	}
}

// died is the error for a program that ended too early.
func (p *process) died() error {
	<-p.ended
	return errors.New("idptest: " + p.name + " ended; it said:\n" + p.said.String())
}

// transcript keeps the last of what a program says.
type transcript struct {
	mu   sync.Mutex
	text []byte
}

const transcriptSize = 64 << 10

func (s *transcript) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.text = append(s.text, b...)
	if over := len(s.text) - transcriptSize; over > 0 {
		s.text = append(s.text[:0], s.text[over:]...)
	}
	return len(b), nil
}

func (s *transcript) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return string(s.text)
}
