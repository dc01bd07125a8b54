package examples_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestPolicyOfTheProvider starts the provider with a policy that a software key
// does not meet, and with files that are none.
func TestPolicyOfTheProvider(t *testing.T) {
	dir := t.TempDir()
	write := func(text string) string {
		require.NoError(t, os.WriteFile(filepath.Join(dir, "policy.yaml"), []byte(text), 0o600))
		return filepath.Join(dir, "policy.yaml")
	}
	args := []string{"-listen", "127.0.0.1:0", "-db", "sqlite:keys.db", "-audit", "audit.log", "-policy"}

	_, said, code := call(t, dir, "idp", append(args, write("version: 1\nrules:\n- name: all\n  profile: fip\n"))...)
	require.Equal(t, 1, code)
	require.Contains(t, said, `policy.yaml:4: rules[0].profile: "fip" is no profile; allowed: any-passkey, device-bound, attested-hardware, fips`)
	_, said, code = call(t, dir, "idp", append(args, filepath.Join(dir, "none.yaml"))...)
	require.Equal(t, 1, code)
	require.Contains(t, said, "-policy: open ")

	_, said, code = call(t, dir, "idp", "-db", "memory:", "-audit", "audit.log", "-metadata-offline")
	require.Equal(t, 1, code)
	require.Contains(t, said, "-metadata-offline needs -metadata")

	example, err := os.ReadFile("idp/policy.yaml")
	require.NoError(t, err)
	for _, c := range []struct {
		policy string
		code   int
	}{
		{string(example), 0}, // a rule for everybody stands at the end
		{"version: 1\nrules:\n- {name: hardware only, profile: attested-hardware}\n", 1},
	} {
		// There is no metadata in that file, which the provider does without.
		idp := start(t, dir, "idp", append(args, write(c.policy), "-metadata", filepath.Join(dir, "mds.jwt"), "-metadata-offline")...)
		idp.line(t)
		link, said, code := call(t, dir, "idp", "invite", "-db", "sqlite:keys.db", "-user", ada)
		require.Zero(t, code, said)
		_, said, code = call(t, dir, "keyagent", "enroll", "-invite", link[:len(link)-1], "-key", "soft:"+filepath.Join(t.TempDir(), "my.key"))
		require.Equal(t, c.code, code, said)
		idp.interrupt(t)
	}
}
