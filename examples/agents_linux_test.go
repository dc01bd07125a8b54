package examples_test

import (
	"encoding/json"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/databricks/databricks-sdk-go/config"
	"github.com/stretchr/testify/require"
)

// askAgent asks the metadata service as a tool does.
func askAgent(t *testing.T, vars map[string]string) (int, string) {
	t.Helper()
	return ask(t, vars["DATABRICKS_METADATA_SERVICE_URL"], map[string]string{"X-Databricks-Metadata-Version": "1", "X-Databricks-Host": vars["DATABRICKS_HOST"]})
}

func (w *world) flags(more ...string) []string {
	return append([]string{"-issuer", w.issuer, "-host", w.host, "-key", w.key}, more...)
}

// ok runs a command of keyagent that must succeed.
func (w *world) ok(t *testing.T, args ...string) (stdout, stderr string) {
	t.Helper()
	out, said, code := call(t, w.client, "keyagent", args...)
	require.Zero(t, code, "%v: %s", args, said)
	return out, said
}

// ended waits for the program's own end, which must be a good one.
func (p *process) ended(t *testing.T) {
	t.Helper()
	for range p.lines {
	}
	require.NoError(t, p.cmd.Wait(), p.errs.String())
}

// One agent for a person and an access: whoever comes later finds it, and its URL
// stays the same whatever happens to the session.
func TestKeyagentIsFound(t *testing.T) {
	w := newWorld(t)
	_, said, code := call(t, w.client, "keyagent", "env")
	require.Equal(t, 1, code)
	require.Contains(t, said, "no keyagent runs")

	agent, first := w.agent(t)
	signIns := func() int { return w.audited(t, "ceremony.finished", "sign-in") }
	require.Equal(t, 1, signIns())
	second, found := w.agent(t)
	require.Equal(t, first, found)
	second.interrupt(t)
	require.Contains(t, second.errs.String(), "the session stays")

	out, _ := w.ok(t, "env")
	for name, value := range first {
		require.Contains(t, out, "export "+name+"="+value+"\n")
	}
	for _, args := range [][]string{{"exec", "--", "env"}, {"exec", "-host", w.host, "--", "env"}, append(append([]string{"exec"}, w.flags()...), "--", "env")} {
		out, _ = w.ok(t, args...)
		require.Contains(t, out, "DATABRICKS_METADATA_SERVICE_URL="+first["DATABRICKS_METADATA_SERVICE_URL"]+"\n", "%v", args)
	}
	require.Equal(t, 1, signIns(), "a touch for one of them")

	token := w.token(t, first)
	var all []struct {
		PID     int    `json:"pid"`
		Subject string `json:"subject"`
		Locked  bool   `json:"locked"`
	}
	out, _ = w.ok(t, "status", "-json")
	require.NoError(t, json.Unmarshal([]byte(out), &all))
	require.Len(t, all, 1)
	require.Equal(t, agent.cmd.Process.Pid, all[0].PID)
	require.Equal(t, ada, all[0].Subject)
	require.False(t, all[0].Locked)
	require.NotContains(t, out, token)
	require.NotContains(t, out, first["DATABRICKS_METADATA_SERVICE_URL"])

	// Locked, it says at once what to run, to the tool and to the person.
	_, said = w.ok(t, "lock")
	require.Contains(t, said, "locked")
	for range 3 {
		status, body := askAgent(t, first)
		require.Equal(t, http.StatusForbidden, status)
		require.Contains(t, body, "login_required")
		require.Contains(t, body, "run: keyagent -issuer "+w.issuer)
	}
	agent.said(t, "keyagent touch")
	require.Equal(t, 1, strings.Count(agent.errs.String(), "a tool wants to use"))
	require.Equal(t, 1, signIns(), "a GET asked for a touch")

	_, said = w.ok(t, "touch")
	require.Contains(t, said, "signed in until")
	require.Equal(t, 2, signIns())
	require.NotEqual(t, token, w.token(t, first), "the same URL, another session")

	w.ok(t, "stop", "-host", w.host)
	agent.ended(t)
	_, said, code = call(t, w.client, "keyagent", "status")
	require.Equal(t, 1, code, said)
	sockets, err := filepath.Glob(filepath.Join(w.client, "lakekey", "*.sock"))
	require.NoError(t, err)
	require.Empty(t, sockets)
}

// Several starts in one moment are one touch.
func TestKeyagentStartsAtOnce(t *testing.T) {
	w := newWorld(t)
	var wg sync.WaitGroup
	urls := make([]string, 4)
	agents := make([]*process, len(urls))
	for i := range agents {
		agents[i] = start(t, w.client, "keyagent", w.flags()...)
	}
	for i, p := range agents {
		wg.Go(func() { urls[i] = p.exports(t)["DATABRICKS_METADATA_SERVICE_URL"] })
	}
	wg.Wait()
	for _, url := range urls {
		require.Equal(t, urls[0], url)
	}
	require.Equal(t, 1, w.audited(t, "ceremony.finished", "sign-in"))

	// Killed, it leaves a socket where nobody answers, and the next one a touch.
	for _, p := range agents {
		require.NoError(t, p.cmd.Process.Signal(syscall.SIGKILL))
		for range p.lines {
		}
		_ = p.cmd.Wait()
	}
	again, _ := w.agent(t)
	require.Equal(t, 2, w.audited(t, "ceremony.finished", "sign-in"))
	again.interrupt(t)
}

// Started by the machine and not by a person, it touches no key.
func TestKeyagentStartsLocked(t *testing.T) {
	w := newWorld(t)
	agent, vars := w.agent(t, "-locked")
	require.Zero(t, w.audited(t, "ceremony.finished", "sign-in"))
	status, body := askAgent(t, vars)
	require.Equal(t, http.StatusForbidden, status, body)
	agent.said(t, "a tool wants to use "+w.host)
	w.ok(t, "touch")
	status, _ = askAgent(t, vars)
	require.Equal(t, http.StatusOK, status)
	agent.interrupt(t)
}

// What tools that know nothing of the metadata service get: the question that
// they put to the Databricks CLI, and a file.
func TestKeyagentForOtherTools(t *testing.T) {
	w := newWorld(t)
	file := filepath.Join(w.client, "id-token")
	agent, _ := w.agent(t, "-audience", account, "-oidc-file", file)
	helper := filepath.Join(w.client, "keyagent-cli-helper")
	require.NoError(t, os.Symlink(filepath.Join(bin(t), "keyagent"), helper))
	t.Setenv("XDG_RUNTIME_DIR", w.client)
	t.Setenv("HOME", w.client)

	out, err := exec.Command(helper, "version", "--output", "json").Output()
	require.NoError(t, err)
	var version struct{ Major, Minor, Patch int }
	require.NoError(t, json.Unmarshal(out, &version))
	require.Equal(t, 1, version.Major)
	profile := "[work]\nhost = " + w.host + "\n"
	require.NoError(t, os.WriteFile(filepath.Join(w.client, ".databrickscfg"), []byte(profile), 0o600))
	out, err = exec.Command(helper, "auth", "token", "--profile", "work", "--force-refresh").Output()
	require.NoError(t, err)
	var answer struct {
		AccessToken string    `json:"access_token"`
		Expiry      time.Time `json:"expiry"`
	}
	require.NoError(t, json.Unmarshal(out, &answer))
	require.True(t, answer.Expiry.After(time.Now()))

	// The SDK, which takes the helper for the CLI.
	cfg := &config.Config{Host: w.host, AuthType: "databricks-cli", DatabricksCliPath: helper, Loaders: []config.Loader{config.ConfigAttributes}}
	r, err := http.NewRequest(http.MethodGet, w.host, nil)
	require.NoError(t, err)
	require.NoError(t, cfg.Authenticate(r))
	require.Equal(t, "Bearer "+answer.AccessToken, r.Header.Get("Authorization"))

	info, err := os.Stat(file)
	require.NoError(t, err)
	require.Equal(t, fs.FileMode(0o600), info.Mode().Perm())
	content, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Regexp(t, `^eyJ[\w-]+\.[\w-]+\.[\w-]+$`, string(content))
	cfg = &config.Config{Host: w.host, AuthType: "file-oidc", OIDCTokenFilepath: file, TokenAudience: account, Scopes: []string{"jobs"}, Loaders: []config.Loader{config.ConfigAttributes}}
	r.Header.Del("Authorization")
	require.NoError(t, cfg.Authenticate(r))
	require.NotEmpty(t, r.Header.Get("Authorization"))

	w.ok(t, "lock")
	require.NoFileExists(t, file)
	w.ok(t, "touch")
	require.FileExists(t, file)
	w.ok(t, "lock")
	require.NoFileExists(t, file)
	refused, err := exec.Command(helper, "auth", "token", "--host", w.host).CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(refused), "run: keyagent")
	agent.interrupt(t)
	require.NoFileExists(t, file)
}

// A command finds the file as soon as it starts, and one that cannot be written is
// said before there is a command.
func TestKeyagentExecFile(t *testing.T) {
	w := newWorld(t)
	file := filepath.Join(w.client, "id-token")
	flags := func(file string) []string {
		return []string{"exec", "-issuer", w.issuer, "-host", w.host, "-key", w.key, "-audience", account, "-oidc-file", file, "--", "cat", filepath.Join(w.client, "id-token")}
	}
	out, err := exec.Command(filepath.Join(bin(t), "keyagent"), flags(file)...).Output()
	require.NoError(t, err)
	require.Regexp(t, `^eyJ[\w-]+\.[\w-]+\.[\w-]+$`, string(out))
	require.NoFileExists(t, file)

	said, err := exec.Command(filepath.Join(bin(t), "keyagent"), flags(filepath.Join(w.client, "nowhere", "id-token"))...).CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(said), "-oidc-file")
	require.NotContains(t, string(said), "cat:", "the command ran")
}

// After all that an agent does, no token is where it does not belong: not in its
// environment, in no file, and in nothing that it said.
func TestKeyagentLeavesNoToken(t *testing.T) {
	w := newWorld(t)
	agent, vars := w.agent(t)
	token := w.token(t, vars)
	require.Greater(t, len(token), 20)
	for _, headers := range []map[string]string{
		{},
		{"X-Databricks-Metadata-Version": "1", "X-Databricks-Host": "https://evil.example"},
		{"X-Databricks-Metadata-Version": "2", "X-Databricks-Host": w.host},
		{"Origin": "https://evil.example"},
	} {
		status, body := ask(t, vars["DATABRICKS_METADATA_SERVICE_URL"], headers)
		require.Equal(t, http.StatusBadRequest, status)
		require.NotContains(t, body, token)
	}
	status, _ := ask(t, vars["DATABRICKS_METADATA_SERVICE_URL"]+"A", nil)
	require.Equal(t, http.StatusNotFound, status)
	w.ok(t, "status")
	w.ok(t, "touch")
	w.ok(t, "lock")
	secrets := []string{token, "eyJ"}
	path := vars["DATABRICKS_METADATA_SERVICE_URL"]
	path = path[strings.LastIndex(path, "/"):]

	environ, err := os.ReadFile("/proc/" + strconv.Itoa(agent.cmd.Process.Pid) + "/environ")
	if err == nil { // only Linux has it
		require.NotContains(t, string(environ), token)
		require.NotContains(t, string(environ), path)
	}
	agent.interrupt(t)
	said := agent.errs.String()
	require.Contains(t, said, "refused")
	require.NotContains(t, said, path, "the URL is in the log")
	require.NoError(t, filepath.WalkDir(w.client, func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(name)
		for _, s := range append(secrets, path) {
			require.NotContains(t, string(content), s, name)
			require.NotContains(t, said, s)
		}
		return err
	}))
}

func TestKeyagentDoctor(t *testing.T) {
	w := newWorld(t)
	out, _ := w.ok(t, append([]string{"doctor"}, w.flags()...)...)
	require.Contains(t, out, "not known before somebody signs in")
	agent, _ := w.agent(t)
	out, _ = w.ok(t, append([]string{"doctor"}, w.flags()...)...)
	require.Contains(t, out, "ok       access to "+w.host+": as "+ada)
	agent.interrupt(t)

	out, _, code := call(t, w.client, "keyagent", "doctor", "-issuer", "http://localhost:1", "-host", "http://localhost:1", "-key", "soft:none.key")
	require.Equal(t, 1, code)
	for _, says := range []string{"MISSING  key soft:none.key", "keyagent enroll", "MISSING  issuer", "MISSING  host", "HTTPS_PROXY"} {
		require.Contains(t, out, says)
	}
}

// A directory that others may write to could hold an agent of theirs.
func TestKeyagentMeetsNobodyInPublic(t *testing.T) {
	w := newWorld(t)
	dir := filepath.Join(w.client, "lakekey")
	require.NoError(t, os.Mkdir(dir, 0o700))
	require.NoError(t, os.Chmod(dir, 0o777))
	agent, vars := w.agent(t)
	require.NotEmpty(t, w.token(t, vars))
	require.Contains(t, agent.errs.String(), "yours alone")
	agent.interrupt(t)
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, entries)
}

func TestKeyagentCompletion(t *testing.T) {
	complete := func(words ...string) string {
		script := `source <(keyagent completion bash); COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _keyagent; echo "${COMPREPLY[@]}"`
		cmd := exec.Command("bash", append([]string{"-c", script, "bash"}, words...)...)
		cmd.Env = []string{"PATH=" + bin(t) + ":" + os.Getenv("PATH")}
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, string(out))
		return strings.TrimSpace(string(out))
	}
	require.Equal(t, "status stop", complete("keyagent", "st"))
	require.Equal(t, "-issuer", complete("keyagent", "env", "-iss"))
	require.Contains(t, complete("keyagent", "exec", "--", "bas"), "bash")
	for _, shell := range []string{"zsh", "fish"} {
		out, _, code := call(t, t.TempDir(), "keyagent", "completion", shell)
		require.Zero(t, code)
		require.Contains(t, out, "status")
	}
}
