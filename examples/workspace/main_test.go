package main_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	workspace "github.com/lakekey/lakekey/examples/workspace"
)

const (
	account = "11111111-2222-3333-4444-555555555555"
	admin   = "the-admin-token-of-the-tests"
	// child makes the test binary be the program.
	child = "LAKEKEY_TEST_BE_WORKSPACE"
)

func TestMain(m *testing.M) {
	if os.Getenv(child) != "" {
		workspace.Main()
		return
	}
	os.Exit(m.Run())
}

func noEnv(string) string { return "" }

func TestCommandLine(t *testing.T) {
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer busy.Close()
	with := func(args ...string) []string { return append([]string{"-admin-token", admin}, args...) }
	for _, tt := range []struct {
		name   string
		args   []string
		status int
		want   string
	}{
		{"help", []string{"-h"}, 0, "Usage:"},
		{"no token", nil, 2, "export LAKEKEY_WORKSPACE_ADMIN_TOKEN="},
		{"short token", []string{"-admin-token", "short"}, 1, "16"},
		{"unknown flag", with("-port", "1"), 2, "workspace -h"},
		{"an argument", with("serve"), 2, `"serve"`},
		{"address without port", with("-listen", "localhost"), 2, "HOST:PORT"},
		{"every address", with("-listen", ":8090"), 2, "-insecure-any-address"},
		{"another machine's address", with("-listen", "192.0.2.1:8090"), 2, "-insecure-any-address"},
		{"port in use", with("-listen", busy.Addr().String()), 1, "127.0.0.1:0"},
		{"account id", with("-listen", "127.0.0.1:0", "-account-id", "mine"), 1, "UUID"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			require.Equal(t, tt.status, workspace.Run(t.Context(), tt.args, noEnv, &stdout, &stderr))
			require.Contains(t, stderr.String(), tt.want)
			require.Empty(t, stdout.String())
			if tt.status != 0 {
				require.Equal(t, 1, strings.Count(stderr.String(), "\n"), "one line: %s", stderr.String())
			}
		})
	}
}

// start runs the program until the test ends and returns its URL.
func start(t *testing.T, getenv func(string) string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	out, in := io.Pipe()
	done := make(chan int, 1)
	go func() { done <- workspace.Run(ctx, args, getenv, in, io.Discard); in.Close() }()
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	t.Cleanup(func() {
		cancel()
		require.Zero(t, <-done, "stopping it is no error")
	})
	return strings.TrimSuffix(line, "\n")
}

func TestServesUntilStopped(t *testing.T) {
	getenv := func(name string) string { return map[string]string{"LAKEKEY_WORKSPACE_ADMIN_TOKEN": admin}[name] }
	url := start(t, getenv, "-listen", "127.0.0.1:0", "-account-id", account)
	require.Regexp(t, `^http://localhost:[1-9][0-9]*$`, url)

	response, err := http.Get(url + "/.well-known/databricks-config")
	require.NoError(t, err)
	defer response.Body.Close()
	var host map[string]any
	require.NoError(t, json.NewDecoder(response.Body).Decode(&host))
	require.Equal(t, account, host["account_id"])
	require.Equal(t, url+"/oidc", host["oidc_endpoint"])

	request, err := http.NewRequest(http.MethodGet, url+"/api/2.0/accounts/"+account+"/scim/v2/Users", nil)
	require.NoError(t, err)
	request.Header.Set("Authorization", "Bearer "+admin)
	response, err = http.DefaultClient.Do(request)
	require.NoError(t, err)
	response.Body.Close()
	require.Equal(t, http.StatusOK, response.StatusCode)

	for host, want := range map[string]int{
		"localhost": 200, "accounts.localhost:1": 200, "127.0.0.1": 200, "[::1]:8": 200,
		"attacker.example": 421, "localhost.attacker.example:80": 421, "192.0.2.1": 421,
	} {
		request, err := http.NewRequest(http.MethodGet, url+"/.well-known/databricks-config", nil)
		require.NoError(t, err)
		request.Host = host
		response, err := http.DefaultClient.Do(request)
		require.NoError(t, err)
		response.Body.Close()
		require.Equal(t, want, response.StatusCode, host)
	}
}

// The process itself: an interrupt ends it with 0, the URL is all of stdout, the
// token is nowhere, and the printed commands work as they stand.
func TestProcess(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a process cannot be sent an interrupt on Windows")
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], "-listen", "127.0.0.1:0", "-account-id", account)
	cmd.Env = append(os.Environ(), child+"=1", "LAKEKEY_WORKSPACE_ADMIN_TOKEN="+admin)
	var stderr lockedBuffer
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	reader := bufio.NewReader(stdout)
	url, err := reader.ReadString('\n')
	require.NoError(t, err)
	url = strings.TrimSpace(url)
	for !strings.Contains(stderr.String(), "Ctrl-C ends it.") {
		require.NoError(t, ctx.Err(), "the instructions did not come: %s", stderr.String())
		time.Sleep(time.Millisecond)
	}
	said := stderr.String()

	if _, err := exec.LookPath("curl"); err == nil {
		commands := regexp.MustCompile(`(?m)^  .*$`).FindAllString(said, -1)
		script := exec.CommandContext(ctx, "sh", "-euc", strings.Join(commands, "\n"))
		script.Env = append(os.Environ(), "LAKEKEY_WORKSPACE_ADMIN_TOKEN="+admin)
		out, err := script.CombinedOutput()
		require.NoError(t, err, "%s\n%s", strings.Join(commands, "\n"), out)
		require.Contains(t, string(out), `"userName":"ada@example.com"`)
		require.Contains(t, string(out), `"issuer":"http://localhost:8080"`)
	} else {
		t.Log("the printed commands were not tried: there is no curl")
	}

	require.NoError(t, cmd.Process.Signal(os.Interrupt))
	rest, err := io.ReadAll(reader)
	require.NoError(t, err)
	require.Empty(t, rest)
	require.NoError(t, cmd.Wait())
	require.NotContains(t, url+stderr.String(), admin)
}
