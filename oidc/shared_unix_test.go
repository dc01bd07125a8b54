//go:build !windows

package oidc_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/oidc/oidctest"
)

// confine takes from the worker's process what the test wants it not to have.
func (w worker) confine(t *testing.T) {
	if w.Room > 0 {
		require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: w.Room, Max: w.Room}))
	}
	if w.User > 0 {
		require.NoError(t, syscall.Setuid(w.User))
	}
}

// A disk on which no longer file fits: the refresh token is not spent for nothing,
// and the session goes on when there is room again.
func TestFullDisk(t *testing.T) {
	idp, w := expired(t, oidctest.Options{Rotate: true, Bearer: true, OneAudience: true})
	before := idp.Requests(oidctest.TokenPath)
	for _, room := range []uint64{6 << 10, 10 << 10, 100 << 10} { // not even the probe; the probe; not the reserve
		small := w
		small.Room = room
		for range 2 {
			r, done := small.run(t)
			require.True(t, done)
			require.Contains(t, r.Error, "file too large", "with %d bytes", room)
			require.False(t, r.Login)
		}
	}
	require.Equal(t, before, idp.Requests(oidctest.TokenPath), "the issuer was asked for what could not be kept")
	requireOne(t, together(t, w, 3), "alice@example.com")
}

// A home that is read-only: no prompt, no token spent, and what is in the way is
// named.
func TestReadOnlyHome(t *testing.T) {
	idp, w := expired(t, oidctest.Options{Rotate: true, Bearer: true, OneAudience: true})
	user := os.Geteuid()
	if user == 0 { // whom no mode stops
		user = 65534
		w.User = user
		require.NoError(t, os.Chmod(filepath.Dir(w.Home), 0o711))
	}
	own := func(dirMode fs.FileMode) {
		require.NoError(t, filepath.WalkDir(w.Home, func(path string, d fs.DirEntry, err error) error {
			require.NoError(t, err)
			if os.Geteuid() == 0 {
				require.NoError(t, os.Chown(path, user, -1))
			}
			if d.IsDir() {
				require.NoError(t, os.Chmod(path, dirMode))
			}
			return nil
		}))
	}
	before := idp.Requests(oidctest.TokenPath)
	own(0o500)
	r, done := w.run(t)
	require.True(t, done)
	require.Contains(t, r.Error, "permission denied")
	require.Contains(t, r.Error, w.Home)
	require.False(t, r.Login)
	require.Equal(t, before, idp.Requests(oidctest.TokenPath))
	own(0o700)
	requireOne(t, together(t, w, 3), "alice@example.com")
}
