//go:build linux || darwin || freebsd

package remote_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/authenticator"
	"github.com/lakekey/lakekey/authenticator/remote"
	"github.com/lakekey/lakekey/authenticator/softkey"
	"github.com/lakekey/lakekey/internal/sshdtest"
)

// These tests run this test binary a second time, as the machine with the key or
// as a stranger.
const (
	roleVar = "LAKEKEY_REMOTE_ROLE"
	pathVar = "LAKEKEY_REMOTE_SOCKET"
)

func TestMain(m *testing.M) {
	role, path := os.Getenv(roleVar), os.Getenv(pathVar)
	if role == "" {
		os.Exit(m.Run())
	}
	if err := play(role, path); err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
}

func play(role, path string) error {
	switch role {
	case "key":
		return playKey(path)
	case "stranger asks":
		if err := becomeNobody(); err != nil {
			return err
		}
		conn, err := net.Dial("unix", path)
		if err != nil {
			return err
		}
		_, _ = conn.Write(remote.Hello(1, "h")) // it may be cut off already
		n, err := conn.Read(make([]byte, 1))
		fmt.Println("answered:", n, err)
		return nil
	case "stranger serves":
		if err := becomeNobody(); err != nil {
			return err
		}
		l, err := net.Listen("unix", path)
		if err != nil {
			return err
		}
		if err := os.Chmod(path, 0o666); err != nil {
			return err
		}
		fmt.Println("ready")
		conn, err := l.Accept()
		if err != nil {
			return err
		}
		said, _ := io.ReadAll(conn)
		fmt.Println("heard:", len(said))
		return nil
	}
	return errors.New("no such role")
}

// becomeNobody gives up root for good.
func becomeNobody() error {
	who, err := user.Lookup("nobody")
	if err != nil {
		return err
	}
	uid, err := strconv.Atoi(who.Uid)
	if err != nil {
		return err
	}
	if err := syscall.Setgroups(nil); err != nil {
		return err
	}
	return syscall.Setuid(uid)
}

// playKey is a machine with a key: it tells on stdout what happens there. A touch
// comes at once, except that the first sign-in is not touched at all.
func playKey(path string) error {
	signIns := 0
	waiting := false
	key, err := softkey.New(softkey.Options{PIN: []byte("lakekey-pin"), Touch: func(ctx context.Context) error {
		if !waiting {
			return nil
		}
		fmt.Println("blinking")
		<-ctx.Done()
		fmt.Println("dark")
		return ctx.Err()
	}})
	if err != nil {
		return err
	}
	device := authenticator.NewCTAP2(key, authenticator.Descriptor{Product: "software key"})
	client := authenticator.NewClient(authenticator.Devices(device), authenticator.Options{UI: typist{}})
	server, err := remote.NewServer(client, approverFunc(func(_ context.Context, r remote.Request) error {
		if !r.Create {
			signIns++
		}
		waiting = signIns == 1
		fmt.Println("asked:", r.ClaimedHost, r.RPID, r.Origin, r.Create)
		return nil
	}), remote.ServerOptions{RPIDs: []string{rpID}, AllowCreate: true})
	if err != nil {
		return err
	}
	l, err := remote.Listen(path)
	if err != nil {
		return err
	}
	fmt.Println("ready")
	return server.Serve(context.Background(), l)
}

// child runs this binary in a role and returns the lines it prints.
func child(t *testing.T, role, path string) (lines <-chan string, process *os.Process) {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), roleVar+"="+role, pathVar+"="+path)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	c := make(chan string, 100)
	go func() {
		defer close(c)
		for s := bufio.NewScanner(out); s.Scan(); {
			c <- s.Text()
		}
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return c, cmd.Process
}

// journey is what works between two machines, over whatever lies in between.
func journey(t *testing.T, socket string, there <-chan string) {
	t.Helper()
	c, err := remote.Dial(t.Context(), socket, remote.Options{Host: "notebook-3"})
	require.NoError(t, err)
	created, err := c.Create(t.Context(), origin, []byte(creates))
	require.NoError(t, err)
	require.Equal(t, "asked: notebook-3 example.org https://login.example.org true", <-there)

	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error, 1)
	go func() {
		_, err := c.Get(ctx, origin, []byte(gets))
		failed <- err
	}()
	require.Equal(t, "asked: notebook-3 example.org https://login.example.org false", <-there)
	require.Equal(t, "blinking", <-there)
	_, err = c.Get(t.Context(), origin, []byte(gets))
	require.ErrorIs(t, err, remote.ErrBusy)
	start := time.Now()
	cancel()
	require.ErrorIs(t, <-failed, context.Canceled)
	returned := time.Since(start)
	require.Equal(t, "dark", <-there)
	t.Logf("cancelled: the caller knew after %v, the key after %v", returned, time.Since(start))

	response, err := c.Get(t.Context(), origin, []byte(gets))
	require.NoError(t, err)
	id, _ := signedFor(t, created)
	used, clientData := signedFor(t, response)
	require.Equal(t, id, used)
	require.Contains(t, clientData, `"origin":"https://login.example.org"`)
	_, err = c.Get(t.Context(), "https://example.com", []byte(`{"rpId":"example.com","challenge":"AAAA"}`))
	require.ErrorIs(t, err, remote.ErrNotAllowed)
}

func TestTwoProcesses(t *testing.T) {
	path := socketPath(t)
	there, process := child(t, "key", path)
	require.Equal(t, "ready", <-there)
	journey(t, path, there)

	// Killed, it leaves a dead socket, which the next one replaces.
	require.NoError(t, process.Kill())
	for range there {
	}
	require.FileExists(t, path)
	l, err := remote.Listen(path)
	require.NoError(t, err)
	require.NoError(t, l.Close())
}

// Bytes that arrive one at a time and late are the same frames.
func TestRelayed(t *testing.T) {
	path := socketPath(t)
	there, _ := child(t, "key", path)
	require.Equal(t, "ready", <-there)
	near := socketPath(t)
	l, err := net.Listen("unix", near)
	require.NoError(t, err)
	defer l.Close()
	go func() {
		for {
			a, err := l.Accept()
			if err != nil {
				return
			}
			b, err := net.Dial("unix", path)
			if err != nil {
				a.Close()
				return
			}
			trickle := func(to, from net.Conn) {
				defer to.Close()
				defer from.Close()
				for one := make([]byte, 1); ; {
					if _, err := from.Read(one); err != nil {
						return
					}
					if _, err := to.Write(one); err != nil {
						return
					}
				}
			}
			go trickle(a, b)
			go trickle(b, a)
		}
	}()
	journey(t, near, there)
}

// The real thing: sshd and ssh -R on loopback.
func TestForwardedBySSH(t *testing.T) {
	sshd := sshdtest.Start(t)
	path, far := socketPath(t), socketPath(t)
	there, _ := child(t, "key", path)
	require.Equal(t, "ready", <-there)
	end := sshd.Forward(t, far, path)
	info, err := os.Stat(far)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm(), "as sshd makes it")
	journey(t, far, there)

	// The connection between the machines breaks.
	end()
	_, err = remote.Dial(t.Context(), far, remote.Options{Host: "h"})
	require.ErrorIs(t, err, remote.ErrDisconnected)
}

// Another user reaches neither the socket nor, where somebody opened it to them,
// the Server; and a Client tells a stranger nothing.
func TestStrangers(t *testing.T) {
	if runtime.GOOS != "linux" || os.Getuid() != 0 {
		t.Skip("not root on Linux: there is no second user to be, so the check of the peer's uid is NOT tested here")
	}
	path := serve(t, newServer(t, keyFunc(answering), yes, remote.ServerOptions{}))
	there, _ := child(t, "stranger asks", path)
	require.Contains(t, <-there, "permission denied")

	require.NoError(t, os.Chmod(filepath.Dir(path), 0o755))
	require.NoError(t, os.Chmod(path, 0o666))
	there, _ = child(t, "stranger asks", path)
	line := <-there
	require.Contains(t, line, "answered: 0", "the server talked to a stranger")
	_, err := dial(t, path).Get(t.Context(), origin, []byte(gets))
	require.NoError(t, err, "it still talks to its user")

	dir := filepath.Dir(socketPath(t))
	require.NoError(t, os.Chmod(dir, 0o777))
	path = filepath.Join(dir, "key.sock")
	there, _ = child(t, "stranger serves", path)
	require.Equal(t, "ready", <-there)
	_, err = remote.Dial(t.Context(), path, remote.Options{Host: "h"})
	require.ErrorContains(t, err, "served by another user")
	require.Equal(t, "heard: 0", <-there)
}
