package idptest

import (
	"bufio"
	"context"
	"encoding/json"
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
	first    chan string   // its first line on stdout, if there was one
	ended    chan struct{} // closed once it has ended
}

// supervise runs a program and ends it, and all that it started, when stdin does:
// when the test process closes the pipe, or ends in any way at all. What a program
// starts in the background of a shell has no stdin, so the watcher takes it along.
const supervise = `exec 3<&0; "$@" </dev/null 3<&- & program=$!
(read -r _ <&3; kill -KILL 0) & watcher=$!
exec 3<&-; wait $program; status=$?; kill -KILL $watcher; exit $status`

// launch starts a program in a folder.
func launch(name, dir string, env []string, argv ...string) (*process, error) {
	p := &process{name: name, said: &transcript{}, first: make(chan string, 1), ended: make(chan struct{})}
	// The program outlives the context of a test by what cleaning up takes.
	cmd := exec.CommandContext(context.Background(), "/bin/sh", append([]string{"-c", supervise, "sh"}, argv...)...)
	cmd.Dir, cmd.Env, cmd.Stderr = dir, append(cmd.Environ(), env...), p.said
	alone(cmd)
	var err error
	if p.lifeline, err = cmd.StdinPipe(); err != nil {
		return nil, fmt.Errorf("idptest: starting %s: %v", name, err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("idptest: starting %s: %v", name, err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("idptest: starting %s: %v", name, err)
	}
	go func() {
		defer close(p.ended)
		defer close(p.first)
		lines := bufio.NewReader(stdout)
		for n := 0; ; n++ {
			line, err := lines.ReadString('\n')
			_, _ = p.said.Write([]byte(line))
			if n == 0 && err == nil {
				p.first <- line
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

// announced reads the JSON of the program's first line.
func (p *process) announced(ctx context.Context, out any) error {
	select {
	case line, ok := <-p.first:
		if !ok {
			return p.died()
		}
		if err := json.Unmarshal([]byte(line), out); err != nil {
			return fmt.Errorf("idptest: %s announced itself with %q: %v", p.name, line, err)
		}
		return nil
	case <-ctx.Done():
		return fmt.Errorf("idptest: waiting for %s: %w\n%s", p.name, ctx.Err(), p.said)
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
