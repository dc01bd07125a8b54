package audit_test

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/note"

	"github.com/lakekey/lakekey/fido/audit"
)

func TestTheKeyFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log.key")
	one, vkey, err := audit.OpenSigner(path, "idp.example.com/audit")
	require.NoError(t, err)
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())

	two, again, err := audit.OpenSigner(path, "idp.example.com/audit")
	require.NoError(t, err)
	require.Equal(t, vkey, again)
	key, err := note.NewVerifier(vkey)
	require.NoError(t, err)
	for _, s := range []note.Signer{one, two} {
		sig, err := s.Sign([]byte("text"))
		require.NoError(t, err)
		require.True(t, key.Verify([]byte("text"), sig))
	}

	_, _, err = audit.OpenSigner(path, "other.example.com")
	require.ErrorContains(t, err, "idp.example.com/audit")
	require.NoError(t, os.WriteFile(path+"2", []byte("PRIVATE+KEY+nonsense"), 0o600))
	_, _, err = audit.OpenSigner(path+"2", "nonsense")
	require.ErrorContains(t, err, "no signing key")
	_, _, err = audit.OpenSigner(filepath.Join(t.TempDir(), "no", "such"), "a")
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestAKeyThatOthersMayReadIsRefused(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no permission bits")
	}
	path := filepath.Join(t.TempDir(), "log.key")
	_, _, err := audit.OpenSigner(path, "a")
	require.NoError(t, err)
	for _, mode := range []os.FileMode{0o640, 0o604, 0o620, 0o610, 0o666} {
		require.NoError(t, os.Chmod(path, mode))
		_, _, err := audit.OpenSigner(path, "a")
		require.ErrorContains(t, err, "chmod 600")
	}
	require.NoError(t, os.Chmod(path, 0o400))
	_, _, err = audit.OpenSigner(path, "a")
	require.NoError(t, err)
}

func TestTheSecretKeyDoesNotPrint(t *testing.T) {
	_, vkey, key, err := audit.NewSigner("idp.example.com/audit")
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(key.Reveal(), "PRIVATE+KEY+"))
	require.NotContains(t, fmt.Sprintf("%v %+v %#v %s", key, key, key, key), "PRIVATE")
	require.NotContains(t, vkey, "PRIVATE")
	for _, name := range []string{"", "a b", "a+b", "\xff"} {
		_, _, _, err = audit.NewSigner(name)
		require.ErrorContains(t, err, "cannot name a log", name)
	}
}

// fickle signs a text differently each time, as ECDSA does.
type fickle struct {
	note.Signer
	n int
}

func (f *fickle) Sign(msg []byte) ([]byte, error) {
	f.n++
	return fmt.Appendf(nil, "signature %d", f.n), nil
}

func TestASignerThatCannotBeRecognisedIsRefusedAtOnce(t *testing.T) {
	signer, _ := newSigner(t)
	_, err := audit.OpenFile(filepath.Join(t.TempDir(), "log"), &fickle{Signer: signer}, audit.Options{})
	require.ErrorContains(t, err, "Ed25519")
	_, err = audit.OpenFile(filepath.Join(t.TempDir(), "log"), nil, audit.Options{})
	require.ErrorContains(t, err, "signer")
}
