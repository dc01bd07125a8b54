//go:build linux || darwin || freebsd

package remote_test

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/authenticator/remote"
)

func TestListenClosesTheSocketToOthers(t *testing.T) {
	path := filepath.Join(filepath.Dir(socketPath(t)), "made", "key.sock")
	l, err := remote.Listen(path)
	require.NoError(t, err)
	defer l.Close()
	require.Equal(t, path, l.Path())
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	info, err = os.Stat(filepath.Dir(path))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o700), info.Mode().Perm())
}

func TestListenRefuses(t *testing.T) {
	path := socketPath(t)
	dir := filepath.Dir(path)
	for _, mode := range []os.FileMode{0o750, 0o701, 0o755, 0o777} {
		require.NoError(t, os.Chmod(dir, mode))
		_, err := remote.Listen(path)
		require.ErrorContains(t, err, "chmod 700", "%o", mode)
	}
	require.NoError(t, os.Chmod(dir, 0o777|os.ModeSticky))
	_, err := remote.Listen(path)
	require.ErrorContains(t, err, "everybody's")
	require.NotContains(t, err.Error(), "chmod", "nobody is told to close /tmp")
	require.NoError(t, os.Chmod(dir, 0o700))

	require.NoError(t, os.WriteFile(path, []byte("precious"), 0o600))
	_, err = remote.Listen(path)
	require.ErrorIs(t, err, remote.ErrInUse)
	require.FileExists(t, path)
	_, err = remote.Listen(filepath.Join(path, "key.sock"))
	require.Error(t, err)
	_, err = remote.Listen(filepath.Join(dir, "a", "b", "key.sock"))
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = remote.Listen(filepath.Join(dir, strings.Repeat("x", 100)))
	require.ErrorContains(t, err, "longer than 103 bytes")
}

// What a process that crashed left is replaced; what answers is not.
func TestStaleAndLiveSockets(t *testing.T) {
	path := socketPath(t)
	dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	require.NoError(t, err)
	dead.SetUnlinkOnClose(false)

	_, err = remote.Listen(path)
	require.ErrorIs(t, err, remote.ErrInUse, "a stranger's live socket")
	require.NoError(t, dead.Close())
	require.FileExists(t, path)

	l, err := remote.Listen(path)
	require.NoError(t, err)
	_, err = remote.Listen(path)
	require.ErrorIs(t, err, remote.ErrInUse)
	require.NoError(t, l.Close())
	require.NoError(t, l.Close(), "twice")
	require.NoFileExists(t, path)
	l, err = remote.Listen(path)
	require.NoError(t, err)
	require.NoError(t, l.Close())
}

// Of many that start at once on a dead socket, one listens, and on a live socket.
func TestListenRace(t *testing.T) {
	for range 50 {
		path := socketPath(t)
		dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
		require.NoError(t, err)
		dead.SetUnlinkOnClose(false)
		require.NoError(t, dead.Close())
		won := make(chan *remote.Listener, 8)
		for range cap(won) {
			go func() {
				l, err := remote.Listen(path)
				if err != nil {
					l = nil
				}
				won <- l
			}()
		}
		var winners []*remote.Listener
		for range cap(won) {
			if l := <-won; l != nil {
				winners = append(winners, l)
			}
		}
		require.Len(t, winners, 1)
		conn, err := net.Dial("unix", path)
		require.NoError(t, err)
		conn.Close()
		require.NoError(t, winners[0].Close())
	}
}

func TestDialRefuses(t *testing.T) {
	path := socketPath(t)
	_, err := remote.Dial(t.Context(), path, remote.Options{})
	require.ErrorIs(t, err, remote.ErrDisconnected)
	require.ErrorContains(t, err, "ssh -R")
	_, err = remote.Dial(t.Context(), path, remote.Options{Host: "two words"})
	require.ErrorContains(t, err, "Options.Host")
}
