// Package examples_test runs the programs as a person would: built, started as
// processes, driven through their flags and outputs only.
package examples_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	account = "8d3f0c52-6a1e-4b0f-9d6c-2f1f5a7c9e10"
	admin   = "the-admin-token-of-this-test"
	ada     = "ada@example.com"
)

var build = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "lakekey-programs-")
	if err != nil {
		return "", err
	}
	out, err := exec.Command("go", "build", "-o", dir, "./...").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return dir, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if dir, err := build(); err == nil {
		_ = os.RemoveAll(dir)
	}
	os.Exit(code)
}

// bin is the folder with the built programs.
func bin(t *testing.T) string {
	t.Helper()
	dir, err := build()
	require.NoError(t, err)
	return dir
}

// process is a program under way.
type process struct {
	cmd   *exec.Cmd
	lines chan string // of its standard output
	errs  *buffer
}

// buffer is a bytes.Buffer for a process to write to while a test reads.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// start starts a program in dir with an environment of its own.
func start(t *testing.T, dir, name string, args ...string) *process {
	t.Helper()
	return startAt(t, nil, dir, name, args...)
}

// startAt is start with something to read from.
func startAt(t *testing.T, stdin *os.File, dir, name string, args ...string) *process {
	t.Helper()
	p := &process{lines: make(chan string, 100), errs: &buffer{}}
	said := &buffer{}
	sinkOf(t).listen(name, true, said.String)
	sinkOf(t).listen(name, false, p.errs.String)
	p.cmd = exec.Command(filepath.Join(bin(t), name), args...)
	p.cmd.Dir, p.cmd.Stderr = dir, p.errs
	p.cmd.Env = environment(dir)
	if stdin != nil {
		p.cmd.Stdin = stdin
	}
	stdout, err := p.cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, p.cmd.Start())
	go func() {
		defer close(p.lines)
		for s := bufio.NewScanner(io.TeeReader(stdout, said)); s.Scan(); {
			p.lines <- s.Text()
		}
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait()
		if t.Failed() {
			t.Logf("%s said:\n%s", name, p.errs)
		}
	})
	return p
}

// line is the next line of standard output.
func (p *process) line(t *testing.T) string {
	t.Helper()
	l, ok := <-p.lines
	require.True(t, ok, "the program ended: %s", p.errs)
	return l
}

// interrupt ends the program as Ctrl-C does and requires that it ends well.
func (p *process) interrupt(t *testing.T) {
	t.Helper()
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGINT))
	for range p.lines {
	}
	require.NoError(t, p.cmd.Wait(), p.errs.String())
}

// address is where an idp says that it listens, which it does a moment after it has
// printed its URL.
func (p *process) address(t *testing.T) string {
	t.Helper()
	for serving := regexp.MustCompile(`idp: serving \S+ on (\S+)\n`); ; time.Sleep(time.Millisecond) {
		if m := serving.FindStringSubmatch(p.errs.String()); m != nil {
			return m[1]
		}
		require.NoError(t, t.Context().Err())
	}
}

// environment is what a person's shell has, with a home of its own.
func environment(home string) []string {
	env := []string{"HOME=" + home, "XDG_RUNTIME_DIR=" + home, "PATH=" + os.Getenv("PATH"), "TMPDIR=" + os.TempDir(), "JUPYTER_PLATFORM_DIRS=1"}
	if ca, set := os.LookupEnv("SSL_CERT_FILE"); set {
		env = append(env, "SSL_CERT_FILE="+ca)
	}
	return env
}

// call runs a program to its end.
func call(t *testing.T, dir, name string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	cmd := exec.Command(filepath.Join(bin(t), name), args...)
	var out, errs bytes.Buffer
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &out, &errs
	cmd.Env = environment(dir)
	err := cmd.Run()
	if cmd.ProcessState == nil {
		require.NoError(t, err)
	}
	sinkOf(t).listen(name, true, out.String)
	sinkOf(t).listen(name, false, errs.String)
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// world is a running provider and workspace, with a person who has a key.
type world struct {
	server, client  string // folders
	issuer, host    string
	idp, workspace  *process
	credential, key string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{server: t.TempDir(), client: t.TempDir()}
	sinkOf(t).add("admin token", admin, false)
	w.workspace = start(t, w.server, "workspace", "-listen", "127.0.0.1:0", "-account-id", account, "-admin-token", admin)
	workspace := newTap(t)
	workspace.open(t, strings.TrimPrefix(w.workspace.line(t), "http://"))
	w.host = workspace.url
	w.provide(t)
	w.administer(t, "/scim/v2/Users", `{"userName":"`+ada+`"}`)
	w.administer(t, "/federationPolicies", `{"oidc_policy":{"issuer":"`+w.issuer+`"}}`)
	w.enroll(t)
	return w
}

// provide starts the identity provider.
func (w *world) provide(t *testing.T) {
	t.Helper()
	idp := newTap(t)
	w.idp = start(t, w.server, "idp", "-listen", "127.0.0.1:0", "-url", idp.url, "-db", "sqlite:keys.db", "-audit", "audit.log")
	w.issuer = w.idp.line(t)
	idp.open(t, w.idp.address(t))
}

// enroll registers a key for the person.
func (w *world) enroll(t *testing.T) {
	t.Helper()
	w.key = "soft:" + filepath.Join(w.client, "my.key")
	credential, said, code := call(t, w.client, "keyagent", "enroll", "-invite", w.invite(t), "-key", w.key)
	require.Zero(t, code, said)
	w.credential = credential
}

// invite is a new enrolment link for the person.
func (w *world) invite(t *testing.T) string {
	t.Helper()
	link, said, code := call(t, w.server, "idp", "invite", "-db", "sqlite:keys.db", "-user", ada)
	require.Zero(t, code, said)
	require.True(t, strings.HasPrefix(link, w.issuer+"/enroll#"), link)
	return strings.TrimSpace(link)
}

func (w *world) administer(t *testing.T, path, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, w.host+"/api/2.0/accounts/"+account+path, strings.NewReader(body))
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+admin)
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.Less(t, res.StatusCode, 300, string(answer))
}

// agent starts a keyagent and returns the variables it exports.
func (w *world) agent(t *testing.T, args ...string) (*process, map[string]string) {
	t.Helper()
	p := start(t, w.client, "keyagent", append([]string{"-issuer", w.issuer, "-host", w.host, "-listen", "127.0.0.1:0", "-key", w.key}, args...)...)
	return p, p.exports(t)
}

// exports are the variables that a keyagent prints.
func (p *process) exports(t *testing.T) map[string]string {
	t.Helper()
	vars := map[string]string{}
	for range 3 {
		name, value, ok := strings.Cut(strings.TrimPrefix(p.line(t), "export "), "=")
		require.True(t, ok)
		vars[name] = value
	}
	return vars
}

// freePort is a port that was free a moment ago, for programs whose port stands
// in a text.
func freePort(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer ln.Close()
	return strconv.Itoa(ln.Addr().(*net.TCPAddr).Port)
}
