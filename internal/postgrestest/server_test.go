package postgrestest_test

import (
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/internal/postgrestest"
)

// listens reports whether somebody answers at the socket of the address.
func listens(t *testing.T, address string) bool {
	t.Helper()
	conn, err := net.Dial("unix", filepath.Join(folder(t, address), ".s.PGSQL.5432"))
	if err != nil {
		return false
	}
	require.NoError(t, conn.Close())
	return true
}

func folder(t *testing.T, address string) string {
	t.Helper()
	u, err := url.Parse(address)
	require.NoError(t, err)
	return u.Query().Get("host")
}

func TestDatabasesShareAServer(t *testing.T) {
	one, two := postgrestest.URL(t), postgrestest.URL(t)
	require.NotEqual(t, one, two)
	require.Equal(t, folder(t, one), folder(t, two))
	require.True(t, listens(t, one))
}

func TestServerStopsAndStarts(t *testing.T) {
	s := postgrestest.Start(t, postgrestest.Options{Durable: true})
	address := s.URL(t)
	s.Stop(t)
	require.False(t, listens(t, address))
	s.Start(t)
	require.True(t, listens(t, address))
}

func TestServerEndsWithItsTest(t *testing.T) {
	var address string
	t.Run("test", func(t *testing.T) { address = postgrestest.Start(t, postgrestest.Options{}).URL(t) })
	require.NoDirExists(t, folder(t, address))
	require.False(t, listens(t, address))
}

// A test process that is killed leaves no server behind and no directory.
func TestServerEndsWithAKilledProcess(t *testing.T) {
	if os.Getenv("LAKEKEY_TEST_KILLED") != "" {
		fmt.Println("ADDRESS", postgrestest.URL(t))
		select {}
	}
	postgrestest.URL(t) // skips where there is no PostgreSQL
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), self, "-test.run=^TestServerEndsWithAKilledProcess$", "-test.v")
	cmd.Env = append(os.Environ(), "LAKEKEY_TEST_KILLED=1")
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	var said strings.Builder
	for !strings.Contains(said.String(), "ADDRESS ") || !strings.HasSuffix(said.String(), "\n") {
		b := make([]byte, 4096)
		n, err := out.Read(b)
		said.Write(b[:n])
		require.NoError(t, err, said.String())
	}
	_, address, _ := strings.Cut(said.String(), "ADDRESS ")
	address = strings.TrimSpace(address)
	require.True(t, listens(t, address))
	require.NoError(t, cmd.Process.Kill())
	require.Error(t, cmd.Wait())
	for listens(t, address) || exists(folder(t, address)) { // forever, if what is tested does not hold
		time.Sleep(time.Millisecond)
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
