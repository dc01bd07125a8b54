package examples_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

// The CLI as it is built from its own source, with nothing but the environment.
func TestConsumerCLI(t *testing.T) {
	consumers(t, "bin", "databricks")
	o := newOffice(t)
	out := o.page(t, "cli", o.environ(t, "bin"))
	require.Contains(t, out, `"userName": "`+ada+`"`, "current-user me")
	require.Contains(t, out, "Authenticated with: metadata-service", "auth describe")
	require.Equal(t, 1, o.mints(), "one token, however many commands")
}

// Terraform finds the provider where it was built. In the real world it downloads it.
func TestConsumerTerraform(t *testing.T) {
	provider := consumers(t, "bin", "terraform-provider-databricks")
	if _, err := exec.LookPath("terraform"); err != nil {
		t.Skip("terraform is not installed, so the provider was not tested: .ci/consumers says where it is to be had")
	}
	o := newOffice(t)
	mirror := filepath.Join(o.server, source(t), "1.126.0", runtime.GOOS+"_"+runtime.GOARCH)
	require.NoError(t, os.MkdirAll(mirror, 0o700))
	require.NoError(t, os.Symlink(provider, filepath.Join(mirror, filepath.Base(provider)+"_v1.126.0")))
	config := filepath.Join(o.server, "terraform.rc")
	require.NoError(t, os.WriteFile(config, fmt.Appendf(nil, "provider_installation {\n  filesystem_mirror { path = %q }\n}\n", o.server), 0o600))

	out := o.page(t, "terraform", append(o.environ(t, "bin"), "TF_CLI_CONFIG_FILE="+config, "CHECKPOINT_DISABLE=1"))
	require.Contains(t, out, "\n"+ada)
	require.Equal(t, 1, o.mints())

	state, err := os.ReadFile(filepath.Join(o.client, "terraform", "terraform.tfstate"))
	require.NoError(t, err)
	require.True(t, json.Valid(state))
	require.Contains(t, string(state), ada)
}

// source is the provider's full name, which begins with where Terraform would load
// it from.
func source(t *testing.T) string {
	t.Helper()
	cmd := exec.Command("terraform", "providers")
	cmd.Dir, cmd.Env = "consumers/terraform", append(environment(t.TempDir()), "CHECKPOINT_DISABLE=1")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	name := regexp.MustCompile(`provider\[([a-z./]+)\] 1\.126\.0`).FindSubmatch(out)
	require.NotNil(t, name, string(out))
	return string(name[1])
}
