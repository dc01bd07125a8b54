//go:build darwin || dragonfly || freebsd || illumos || linux || netbsd || openbsd

package audit_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/lakekey/lakekey/fido/audit"
)

// Opening a pipe waits for somebody at its other end, and nobody comes.
func TestNoPlantedPipeIsWaitedFor(t *testing.T) {
	for _, file := range []string{"", ".torn-11", ".torn-11.tmp", ".checkpoint", ".checkpoint.tmp"} {
		t.Run("log"+file, func(t *testing.T) {
			r := torn(t)
			if file == "" || file == ".checkpoint" {
				require.NoError(t, os.Remove(r.path+file))
			}
			require.NoError(t, unix.Mkfifo(r.path+file, 0o600))
			l, err := audit.OpenFile(r.path, r.signer, audit.Options{})
			if filepath.Ext(file) == ".tmp" { // cleared away as a crash's
				require.NoError(t, err)
				require.NoError(t, l.Close())
				return
			}
			require.ErrorContains(t, err, "not a regular file")
		})
	}
	path := filepath.Join(t.TempDir(), "log.key")
	require.NoError(t, unix.Mkfifo(path, 0o600))
	_, _, err := audit.OpenSigner(path, "a")
	require.ErrorContains(t, err, "not a regular file")
}
