package examples_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The SDK for Java, which does not know the metadata service, by way of the helper
// and of the file.
func TestConsumerJava(t *testing.T) {
	lib := consumers(t, "java")
	for _, name := range []string{"java", "keytool"} {
		if _, err := exec.LookPath(name); err != nil {
			t.Skipf("no %s, so the SDK for Java was not tested: run .ci/consumers", name)
		}
	}
	o := newOffice(t)
	trusted := filepath.Join(o.server, "trusted.p12")
	out, err := exec.Command("keytool", "-importcert", "-noprompt", "-alias", "office", "-file", o.ca,
		"-keystore", trusted, "-storetype", "PKCS12", "-storepass", "changeit").CombinedOutput()
	require.NoError(t, err, string(out))
	dir := o.folder(t, "java")
	require.NoError(t, os.Symlink(lib, filepath.Join(dir, "lib")))

	said := o.page(t, "java", append(o.environ(t), "JAVA_TOOL_OPTIONS=-Djavax.net.ssl.trustStore="+trusted+" -Djavax.net.ssl.trustStorePassword=changeit"))
	require.Equal(t, strings.Repeat("signed in as "+ada+"\n", 2), said)
	require.Equal(t, 2, o.mints(), "the agent's, and the one that Java got for the ID token")
	require.NoFileExists(t, filepath.Join(dir, "id-token"), "it goes with the session")
}
