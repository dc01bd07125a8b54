package idptest_test

import (
	"bufio"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/internal/idptest"
)

func listens(t *testing.T, issuer string) bool {
	t.Helper()
	u, err := url.Parse(issuer)
	require.NoError(t, err)
	conn, err := net.Dial("tcp", u.Host)
	if err != nil {
		return false
	}
	require.NoError(t, conn.Close())
	return true
}

func TestProvidersEndWithTheirTest(t *testing.T) {
	var issuer string
	t.Run("test", func(t *testing.T) {
		issuer = idptest.Zitadel(t).Issuer
		require.True(t, listens(t, issuer))
	})
	require.False(t, listens(t, issuer))
}

// A test process that is killed leaves no provider behind.
func TestProvidersEndWithAKilledProcess(t *testing.T) {
	if os.Getenv("LAKEKEY_TEST_KILLED") != "" {
		fmt.Println("ISSUER", idptest.Panva(t, idptest.PanvaOptions{}).Issuer)
		fmt.Println("ISSUER", idptest.Keycloak(t, idptest.KeycloakOptions{}).Issuer)
		select {}
	}
	idptest.Keycloak(t, idptest.KeycloakOptions{}) // skips where there is none
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(self, "-test.run", "^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), "LAKEKEY_TEST_KILLED=1")
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	var issuers []string
	for lines := bufio.NewScanner(out); len(issuers) < 2 && lines.Scan(); {
		if issuer, ok := strings.CutPrefix(lines.Text(), "ISSUER "); ok {
			issuers = append(issuers, issuer)
		}
	}
	require.Len(t, issuers, 2)
	require.NoError(t, cmd.Process.Kill())
	_ = cmd.Wait()
	for _, issuer := range issuers {
		require.Eventually(t, func() bool { return !listens(t, issuer) }, time.Minute, 10*time.Millisecond)
	}
}
