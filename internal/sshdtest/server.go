package sshdtest

import (
	"bufio"
	"bytes"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// Server is an sshd that lets the current user in.
type Server struct {
	dir, port, account string

	daemon *exec.Cmd
	once   sync.Once
	log    bytes.Buffer // complete once daemon has ended
}

// Start starts an sshd that ends with the test, which is skipped where there is none.
func Start(t testing.TB) *Server {
	t.Helper()
	program := find(t)
	s := &Server{dir: t.TempDir()}
	for _, key := range []string{"host", "user"} {
		out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", s.at(key)).CombinedOutput()
		if err != nil {
			t.Fatalf("ssh-keygen: %v: %s", err, out)
		}
	}
	public, err := os.ReadFile(s.at("user.pub"))
	must(t, err)
	must(t, os.WriteFile(s.at("authorized"), public, 0o600))
	free, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	s.port = strconv.Itoa(free.Addr().(*net.TCPAddr).Port)
	must(t, free.Close())
	must(t, os.WriteFile(s.at("config"), []byte(strings.Join([]string{
		"ListenAddress 127.0.0.1:" + s.port, "HostKey " + s.at("host"), "AuthorizedKeysFile " + s.at("authorized"), "PidFile none",
		"StrictModes no", "UsePAM no", "PasswordAuthentication no", "KbdInteractiveAuthentication no", "PermitRootLogin yes", "AllowStreamLocalForwarding yes", "",
	}, "\n")), 0o600))
	who, err := user.Current()
	must(t, err)
	s.account = who.Username
	s.daemon = exec.Command(program, "-D", "-e", "-f", s.at("config"))
	s.daemon.Stderr = &s.log
	must(t, s.daemon.Start())
	t.Cleanup(func() {
		said := s.stop()
		if t.Failed() {
			t.Logf("sshd said: %s", said)
		}
	})
	return s
}

func (s *Server) at(name string) string { return filepath.Join(s.dir, name) }

// stop ends the daemon and returns what it said.
func (s *Server) stop() string {
	s.once.Do(func() {
		_ = s.daemon.Process.Kill()
		_ = s.daemon.Wait()
	})
	return s.log.String()
}

// find wants an sshd that this user can start.
func find(t testing.TB) string {
	t.Helper()
	for _, tool := range []string{"ssh", "ssh-keygen"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is not installed: forwarding by ssh is NOT tested here", tool)
		}
	}
	for _, path := range []string{"/usr/sbin/sshd", "/usr/local/sbin/sshd"} {
		if _, err := os.Stat(path); err != nil {
			continue
		}
		if os.Getuid() == 0 {
			must(t, os.MkdirAll("/run/sshd", 0o755))
		}
		return path
	}
	t.Skip("sshd is not installed (apt-get install openssh-server): forwarding by ssh is NOT tested here")
	return ""
}

// Command is ssh to the Server with more arguments. The host comes behind the options
// and before the command to run there, nil for none.
func (s *Server) Command(options []string, command ...string) *exec.Cmd {
	args := append([]string{"-F", "none", "-p", s.port, "-i", s.at("user"), "-o", "IdentitiesOnly=yes", "-o", "StrictHostKeyChecking=no",
		"-o", "UserKnownHostsFile=/dev/null", "-o", "ExitOnForwardFailure=yes", "-o", "ConnectionAttempts=20"}, options...)
	return exec.Command("ssh", append(append(args, s.account+"@127.0.0.1"), command...)...)
}

// Forward makes connections to the socket far, on the Server, arrive at near: ssh -R.
// It returns what ends that.
func (s *Server) Forward(t testing.TB, far, near string) (end func()) {
	t.Helper()
	ssh := s.Command([]string{"-N", "-v", "-R", far + ":" + near})
	said, err := ssh.StderrPipe()
	must(t, err)
	must(t, ssh.Start())
	forwarding := make(chan struct{})
	go func() {
		defer close(forwarding)
		for lines := bufio.NewScanner(said); lines.Scan(); {
			if strings.Contains(lines.Text(), "remote forward success") {
				forwarding <- struct{}{}
			}
		}
	}()
	end = sync.OnceFunc(func() {
		_ = ssh.Process.Kill()
		for range forwarding {
		}
		_ = ssh.Wait()
	})
	t.Cleanup(end)
	if _, forwarded := <-forwarding; !forwarded {
		said := s.stop()
		if strings.Contains(said, "not allowed because") {
			t.Skipf("sshd lets this account in on no machine, forwarding by ssh is NOT tested here: %s", said)
		}
		t.Fatal("ssh ended without forwarding")
	}
	return end
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
