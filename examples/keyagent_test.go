package examples_test

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestKeyagentExec(t *testing.T) {
	w := newWorld(t)
	flags := []string{"exec", "-issuer", w.issuer, "-host", w.host, "-key", w.key}
	t.Setenv("DATABRICKS_TOKEN", "dapi-of-yesterday")

	out, said, code := call(t, w.client, "keyagent", append(flags, "--", "sh", "-c", "env")...)
	require.Zero(t, code, said)
	require.Contains(t, out, "DATABRICKS_HOST="+w.host+"\n")
	require.Contains(t, out, "DATABRICKS_AUTH_TYPE=metadata-service\n")
	require.Contains(t, out, "DATABRICKS_METADATA_SERVICE_URL=http://127.0.0.1:")
	require.NotContains(t, out, "DATABRICKS_TOKEN")

	_, _, code = call(t, w.client, "keyagent", append(flags, "--", "sh", "-c", "exit 7")...)
	require.Equal(t, 7, code, "the command's exit status is the program's")

	_, said, code = call(t, w.client, "keyagent", append(flags, "--", "no-such-command")...)
	require.Equal(t, 1, code)
	require.Contains(t, said, "no-such-command")
}

// One session, one touch, a URL for each host.
func TestKeyagentServesSeveralHosts(t *testing.T) {
	w := newWorld(t)
	second := start(t, w.server, "workspace", "-listen", "127.0.0.1:0", "-account-id", account, "-admin-token", admin)
	other := &world{host: second.line(t)}
	other.administer(t, "/scim/v2/Users", `{"userName":"`+ada+`"}`)
	other.administer(t, "/federationPolicies", `{"oidc_policy":{"issuer":"`+w.issuer+`"}}`)

	agent, first := w.agent(t, "-host", other.host)
	require.Contains(t, agent.line(t), "# ")
	also := map[string]string{}
	for range 3 {
		name, value, ok := strings.Cut(strings.TrimPrefix(agent.line(t), "# export "), "=")
		require.True(t, ok)
		also[name] = value
	}
	require.Equal(t, other.host, also["DATABRICKS_HOST"])
	require.NotEqual(t, w.token(t, first), other.token(t, also))
	require.Equal(t, 1, w.audited(t, "ceremony.finished", "sign-in"), "one touch for both")

	// The URL of one host answers for no other.
	status, body := ask(t, first["DATABRICKS_METADATA_SERVICE_URL"], map[string]string{"X-Databricks-Metadata-Version": "1", "X-Databricks-Host": other.host})
	require.Equal(t, http.StatusBadRequest, status, body)
	agent.interrupt(t)
}

func ask(t *testing.T, url string, headers map[string]string) (int, string) {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, url, nil)
	require.NoError(t, err)
	for name, value := range headers {
		req.Header.Set(name, value)
	}
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.True(t, json.Valid(b), string(b))
	return res.StatusCode, string(b)
}

// A link serves once, and what is left of it says so.
func TestKeyagentEnroll(t *testing.T) {
	w := newWorld(t)
	link, said, code := call(t, w.server, "idp", "invite", "-db", "sqlite:keys.db", "-user", "grace@example.com")
	require.Zero(t, code, said)
	link = strings.TrimSpace(link)
	_, said, code = call(t, w.client, "keyagent", "enroll", "-invite", link, "-key", "soft:a.key")
	require.Zero(t, code, said)
	_, said, code = call(t, w.client, "keyagent", "enroll", "-invite", link, "-key", "soft:b.key")
	require.Equal(t, 1, code)
	require.Contains(t, said, "for a new link")
	_, invite, _ := strings.Cut(link, "#")
	require.NotContains(t, said, invite)
}

// audited counts the records of the provider's log that hold all of the words.
func (w *world) audited(t *testing.T, words ...string) int {
	t.Helper()
	log, err := os.ReadFile(filepath.Join(w.server, "audit.log"))
	require.NoError(t, err)
	n := 0
	for record := range strings.Lines(string(log)) {
		if !slices.ContainsFunc(words, func(word string) bool { return !strings.Contains(record, `"`+word+`"`) }) {
			n++
		}
	}
	return n
}
