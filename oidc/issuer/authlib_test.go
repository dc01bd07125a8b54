package issuer_test

import (
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestAuthlib: so does Python's.
func TestAuthlib(t *testing.T) {
	python := os.Getenv("LAKEKEY_PYTHON")
	if python == "" {
		t.Skip("no Python with Authlib: make a venv, pip install -r .ci/requirements.txt, set LAKEKEY_PYTHON to its python")
	}
	key := newDPoPKey(t)
	f := newLiveFront(t, strangers(key)...)
	client := exec.CommandContext(t.Context(), python, "testdata/authlib_client.py", f.url, key.private(t))
	client.Env = append(os.Environ(), "AUTHLIB_INSECURE_TRANSPORT=1") // http, on loopback
	require.Equal(t, []string{"discovery", "code", "wrong", "private_key_jwt"}, f.accompany(t, client))
}
