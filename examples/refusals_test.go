package examples_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Whatever a person gets wrong, the program says what and what to do, and exits
// with a status that is not 0.
func TestProgramsSayWhatIsWrong(t *testing.T) {
	for _, c := range []struct {
		program string
		args    string
		says    string
	}{
		{"idp", "", "-db is missing"},
		{"idp", "-db memory:", "-audit is missing"},
		{"idp", "-db mysql:x -audit a.log -listen 127.0.0.1:0", "must be memory:, sqlite:FILE or postgres://"},
		{"idp", "-db sqlite: -audit a.log -listen 127.0.0.1:0", "must be memory:, sqlite:FILE or postgres://"},
		{"idp", "-db memory: -audit a.log -listen 127.0.0.1:0 -url http://idp.example.com", "https"},
		{"idp", "-db memory: -audit a.log -listen nonsense", "-listen"},
		{"idp", "-db sqlite:no/such/folder/keys.db -audit a.log -listen 127.0.0.1:0", "no/such/folder"},
		{"idp", "-db memory: -audit no/such/folder/a.log -listen 127.0.0.1:0", "no/such/folder"},
		{"idp", "serve", "no arguments"},
		{"idp", "invite -db memory: -user a@example.com", "inside the running provider"},
		{"idp", "invite -db sqlite:nothing.db -user a@example.com", "nothing.db"},
		{"idp", "invite -db sqlite:nothing.db", "-user is missing"},
		{"idp", "invite -user a@example.com", "-db is missing"},
		{"keyagent", "", "-issuer is missing"},
		{"keyagent", "-issuer http://localhost:1", "-host is missing"},
		{"keyagent", "-issuer http://localhost:1 -host http://localhost:2 -key soft:k", "keyagent enroll"},
		{"keyagent", "-issuer http://localhost:1 -host http://h.example.com -key soft:k", "-host http://h.example.com"},
		{"keyagent", "-issuer http://localhost:1 -host http://localhost:2 -key soft:k -listen 0.0.0.0:0", "-listen"},
		{"keyagent", "-issuer http://localhost:1 -host http://localhost:2", "-key is missing"},
		{"keyagent", "-issuer http://localhost:1 -host http://localhost:2 -key magic", "-key \"magic\""},
		{"keyagent", "serve", "commands are enroll, exec, logout"},
		{"keyagent", "enroll", "-invite is missing"},
		{"keyagent", "enroll -invite http://localhost:1/enroll#x -key browser", "-key \"browser\""},
		{"keyagent", "-issuer http://localhost:1 -host http://localhost:2 -key usb -redirect http://127.0.0.1/x", "-redirect"},
		{"keyagent", "-issuer http://localhost:1 -host http://localhost:2 -key usb -keep-key k", "-keep-key k: goes with -keep"},
		{"keyagent", "-issuer http://localhost:1 -host http://localhost:2 -key browser -device /dev/hidraw0", "-device"},
		{"keyagent", "logout -issuer http://localhost:1 -host http://localhost:2 -key browser", "-keep is missing"},
		{"keyagent", "enroll -invite http://localhost:1/enroll -key soft:k", "not a whole enrolment link"},
		{"keyagent", "enroll -invite http://localhost:1/enroll#x -key soft:k", "reaching the provider"},
		{"keyagent", "exec -issuer http://localhost:1 -host http://localhost:2 -key soft:k", "which command"},
		{"quickstart", "-issuer http://localhost:1", "-issuer needs -invite"},
		{"quickstart", "-host http://localhost:1", "-host needs -issuer"},
		{"quickstart", "-scopes=", "-scopes is empty"},
		{"quickstart", "-json -scopes everything", "invalid_scope"},
		{"quickstart", "now", "no arguments"},
		{"quickstart", "-key magic", "-key \"magic\""},
		{"keyagent", "enroll -invite http://192.0.2.1/enroll#x -key soft:k", "https"},
		{"idp", "-db memory: -audit a.log -listen 0.0.0.0:0", "other machines"},
	} {
		t.Run(c.program+" "+c.args, func(t *testing.T) {
			dir := t.TempDir()
			out, said, code := call(t, dir, c.program, strings.Fields(c.args)...)
			require.NotZero(t, code)
			require.Contains(t, said, c.says)
			require.Empty(t, strings.TrimSpace(out))
			require.NotContains(t, said, "goroutine")
			require.NoFileExists(t, filepath.Join(dir, "nothing.db"), "a question leaves nothing behind")
		})
	}
}

func TestProgramsHelp(t *testing.T) {
	programs, err := os.ReadDir(bin(t))
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(programs), 4)
	for _, p := range programs {
		_, said, code := call(t, t.TempDir(), p.Name(), "-h")
		require.Zero(t, code, p.Name())
		require.Contains(t, strings.ToLower(said), "usage:", p.Name())
	}
}

// A command line that cannot be is told apart from everything else that goes wrong: by
// the same status in every program, in one line that says where to look.
func TestUsageErrorsHaveOneStatus(t *testing.T) {
	programs, err := os.ReadDir(bin(t))
	require.NoError(t, err)
	lines := [][]string{
		{"idp", "-db", "memory:"}, {"idp", "invite"}, {"keyagent"}, {"keyagent", "exec"}, {"keyagent", "enroll"}, {"keyagent", "serve"},
		{"quickstart", "now"}, {"key"}, {"key", "serve"}, {"softkey"}, {"workspace"}, {"audit", "compare"},
	}
	for _, p := range programs {
		lines = append(lines, []string{p.Name(), "-no-such-flag"})
	}
	for _, args := range lines {
		out, said, code := call(t, t.TempDir(), args[0], args[1:]...)
		require.Equal(t, 2, code, "%v: %s", args, said)
		require.Empty(t, out)
		require.Equal(t, 1, strings.Count(said, "\n"), "%v: %s", args, said)
		require.Contains(t, said, args[0]+" -h")
	}
}
