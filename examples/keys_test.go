package examples_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// published returns the keys that a provider publishes, by kid.
func published(t *testing.T, issuer string) map[string]string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, issuer+"/jwks", nil)
	require.NoError(t, err)
	resp, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer resp.Body.Close()
	var set struct{ Keys []struct{ Kid, Alg string } }
	require.NoError(t, json.NewDecoder(resp.Body).Decode(&set))
	all := map[string]string{}
	for _, k := range set.Keys {
		all[k.Kid] = k.Alg
	}
	return all
}

// TestIdpKeys looks after the keys of a provider that is running.
func TestIdpKeys(t *testing.T) {
	dir := t.TempDir()
	p := start(t, dir, "idp", "-listen", "127.0.0.1:0", "-db", "sqlite:keys.db", "-audit", "audit.log", "-signing-alg", "RS256")
	issuer := p.line(t)
	keys := func(args ...string) string {
		out, said, code := call(t, dir, "idp", append([]string{"keys"}, args...)...)
		require.Zero(t, code, said)
		return out
	}
	list := func() (rows [][]string) {
		for line := range strings.Lines(keys("list", "-db", "sqlite:keys.db")) {
			rows = append(rows, strings.Fields(line))
		}
		return rows[1:]
	}
	rows := list()
	require.Len(t, rows, 2)
	require.Equal(t, []string{"RS256", "signing"}, rows[0][1:3])
	require.Equal(t, []string{"RS256", "next"}, rows[1][1:3])
	require.Equal(t, map[string]string{rows[0][0]: "RS256", rows[1][0]: "RS256"}, published(t, issuer))

	next := strings.TrimSpace(keys("rotate", "-db", "sqlite:keys.db"))
	for published(t, issuer)[next] == "" { // within a second
		require.NoError(t, t.Context().Err())
	}
	keys("revoke", "-db", "sqlite:keys.db", "-kid", rows[0][0], "-reason", "it was stolen")
	for published(t, issuer)[rows[0][0]] != "" { // within a second
		require.NoError(t, t.Context().Err())
	}
	require.Equal(t, []string{"revoked", "signing", "next"}, []string{list()[0][2], list()[1][2], list()[2][2]})
	p.interrupt(t)
	log, err := os.ReadFile(filepath.Join(dir, "audit.log"))
	require.NoError(t, err)
	require.Equal(t, 1, strings.Count(string(log), `"type":"issuer.key.revoke"`), string(log))
	require.Contains(t, string(log), "it was stolen")

	for want, args := range map[string][]string{
		"say keys list":            {"-db", "sqlite:keys.db"},
		"no arguments are taken":   {"list", "-db", "sqlite:keys.db", "more"},
		"-db is missing":           {"list"},
		"-kid is missing":          {"revoke", "-db", "sqlite:keys.db"},
		"-reason is missing":       {"revoke", "-db", "sqlite:keys.db", "-kid", "x"},
		`there is no key "x"`:      {"revoke", "-db", "sqlite:keys.db", "-kid", "x", "-reason", "y"},
		"no such file":             {"list", "-db", "sqlite:other.db"},
		"inside the running":       {"list", "-db", "memory:"},
		"flag provided but not de": {"list", "-what"},
	} {
		_, said, code := call(t, dir, "idp", append([]string{"keys"}, args...)...)
		require.NotZero(t, code)
		require.Contains(t, said, want)
	}

	// Keys of one's own, in a file.
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	der, err := x509.MarshalPKCS8PrivateKey(private)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "own.pem"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600))
	p = start(t, dir, "idp", "-listen", "127.0.0.1:0", "-db", "sqlite:own.db", "-audit", "own.log", "-signing-keys", "own.pem")
	issuer = p.line(t)
	require.Len(t, published(t, issuer), 1)
	p.interrupt(t)
	_, said, code := call(t, dir, "idp", "-db", "sqlite:own.db", "-audit", "own.log", "-signing-keys", "nothing.pem")
	require.NotZero(t, code)
	require.Contains(t, said, "-signing-keys: ")
}
