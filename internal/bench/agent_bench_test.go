package bench

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// agentWorld is a provider and a workspace, as processes, and a person's key.
type agentWorld struct {
	bin, home    string
	issuer, host string
}

func (w *agentWorld) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(w.bin, name), args...)
	cmd.Dir = w.home
	cmd.Env = []string{"HOME=" + w.home, "XDG_RUNTIME_DIR=" + w.home, "PATH=" + os.Getenv("PATH")}
	return cmd
}

// server starts a program and returns the first line that it prints.
func (w *agentWorld) server(b *testing.B, name string, args ...string) string {
	cmd := w.command(b.Context(), name, args...)
	out, err := cmd.StdoutPipe()
	require.NoError(b, err)
	require.NoError(b, cmd.Start())
	b.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(b, err, name)
	return strings.TrimSpace(line)
}

func newAgentWorld(b *testing.B) *agentWorld {
	b.Helper()
	w := &agentWorld{bin: b.TempDir(), home: b.TempDir()}
	build := exec.CommandContext(b.Context(), "go", "build", "-o", w.bin, "./keyagent", "./idp", "./workspace")
	build.Dir = "../../examples"
	out, err := build.CombinedOutput()
	require.NoError(b, err, string(out))
	const account, admin = "8d3f0c52-6a1e-4b0f-9d6c-2f1f5a7c9e10", "the-admin-token-of-this-test"
	w.host = w.server(b, "workspace", "-listen", "127.0.0.1:0", "-account-id", account, "-admin-token", admin)
	w.issuer = w.server(b, "idp", "-listen", "127.0.0.1:0", "-db", "sqlite:keys.db", "-audit", "audit.log")
	for path, body := range map[string]string{
		"/scim/v2/Users":      `{"userName":"ada@example.com"}`,
		"/federationPolicies": `{"oidc_policy":{"issuer":"` + w.issuer + `"}}`,
	} {
		req, err := http.NewRequestWithContext(b.Context(), http.MethodPost, w.host+"/api/2.0/accounts/"+account+path, strings.NewReader(body))
		require.NoError(b, err)
		req.Header.Set("Authorization", "Bearer "+admin)
		req.Header.Set("Content-Type", "application/json")
		resp, err := http.DefaultClient.Do(req)
		require.NoError(b, err)
		_ = resp.Body.Close()
		require.Less(b, resp.StatusCode, 300)
	}
	link, err := w.command(b.Context(), "idp", "invite", "-db", "sqlite:keys.db", "-user", "ada@example.com").Output()
	require.NoError(b, err)
	out, err = w.command(b.Context(), "keyagent", "enroll", "-invite", strings.TrimSpace(string(link)), "-key", "soft:my.key").CombinedOutput()
	require.NoError(b, err, string(out))
	return w
}

// start starts an agent and returns the time until its first answer.
func (w *agentWorld) start(b *testing.B) (time.Duration, *exec.Cmd) {
	b.Helper()
	cmd := w.command(b.Context(), "keyagent", "-issuer", w.issuer, "-host", w.host, "-key", "soft:my.key")
	out, err := cmd.StdoutPipe()
	require.NoError(b, err)
	begin := time.Now()
	require.NoError(b, cmd.Start())
	lines, url := bufio.NewScanner(out), ""
	for url == "" && lines.Scan() {
		_, url, _ = strings.Cut(lines.Text(), "METADATA_SERVICE_URL=")
	}
	req, err := http.NewRequestWithContext(b.Context(), http.MethodGet, url, nil)
	require.NoError(b, err)
	req.Header.Set("X-Databricks-Metadata-Version", "1")
	req.Header.Set("X-Databricks-Host", w.host)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(b, err)
	took := time.Since(begin)
	require.Equal(b, http.StatusOK, resp.StatusCode)
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
	return took, cmd
}

// What a person waits for: from the start of the process over the sign-in (with a
// software key, whose touch takes no time), the exchange and the question whose
// the token is, to the first answered GET. And what exec adds to a command when an
// agent runs. Both against the start of the same program that does nothing.
func BenchmarkKeyagent(b *testing.B) {
	w := newAgentWorld(b)
	run := func(cmd *exec.Cmd) time.Duration {
		start := time.Now()
		out, err := cmd.CombinedOutput()
		require.NoError(b, err, string(out))
		return time.Since(start)
	}
	nothing := func() time.Duration { return run(w.command(b.Context(), "keyagent", "completion", "bash")) }
	b.Run("first answer", func(b *testing.B) {
		var took, floor time.Duration
		for b.Loop() {
			first, agent := w.start(b)
			took += first
			require.NoError(b, agent.Process.Signal(os.Interrupt))
			_ = agent.Wait()
			floor += nothing()
		}
		b.ReportMetric(float64(took.Microseconds())/1000/float64(b.N), "first-answer-ms")
		b.ReportMetric(float64(floor.Microseconds())/1000/float64(b.N), "bare-start-ms")
		b.ReportMetric(took.Seconds()/floor.Seconds(), "x-bare-start")
	})
	b.Run("exec", func(b *testing.B) {
		_, agent := w.start(b)
		defer func() { _ = agent.Process.Signal(os.Interrupt); _ = agent.Wait() }()
		var with, without, floor time.Duration
		for b.Loop() {
			with += run(w.command(b.Context(), "keyagent", "exec", "--", "true"))
			without += run(exec.CommandContext(b.Context(), "true"))
			floor += nothing()
		}
		n := float64(b.N)
		b.ReportMetric(float64((with-without).Microseconds())/1000/n, "overhead-ms")
		b.ReportMetric(float64(without.Microseconds())/1000/n, "bare-command-ms")
		b.ReportMetric((with-without).Seconds()/floor.Seconds(), "x-bare-start")
	})
}
