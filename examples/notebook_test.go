package examples_test

import (
	"encoding/json"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// python is an interpreter that has what .ci/requirements.txt names.
func python(t *testing.T) string {
	t.Helper()
	path := os.Getenv("LAKEKEY_PYTHON")
	if path == "" {
		t.Skip("no Python with databricks-sdk and nbclient: make a venv, pip install -r .ci/requirements.txt, set LAKEKEY_PYTHON to its python")
	}
	return path
}

// A notebook in a real Jupyter kernel, with the unmodified Databricks SDK for
// Python, has the session, and nothing secret stays behind: not in the saved
// notebook, not in the kernel's environment, not in any file.
func TestNotebook(t *testing.T) {
	interpreter := python(t)
	w := newWorld(t)
	agent, vars := w.agent(t)
	require.Equal(t, "metadata-service", vars["DATABRICKS_AUTH_TYPE"])
	require.Equal(t, w.host, vars["DATABRICKS_HOST"])
	token := w.token(t, vars)

	saved := filepath.Join(w.client, "mission.ipynb")
	cmd := exec.Command(interpreter, "testdata/run_notebook.py", "testdata/mission.ipynb", saved)
	cmd.Env = environment(w.client)
	for name, value := range vars {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))

	notebook, err := os.ReadFile(saved)
	require.NoError(t, err)
	printed := outputs(t, notebook)
	require.Contains(t, printed, "signed in as "+ada)
	require.Contains(t, printed, "clusters listed")

	// The kernel printed its environment into the notebook: the metadata URL is
	// in there on purpose and is taken out before looking for anything else.
	require.Contains(t, printed, vars["DATABRICKS_METADATA_SERVICE_URL"])
	requireNoSecret(t, "the notebook", notebook, token)
	found, said, code := call(t, w.client, "nbclean", "-check", saved)
	require.Equal(t, 1, code, said)
	require.Equal(t, strings.Count(found, "\n"), strings.Count(found, "metadata-url in cell "), found)
	require.NotContains(t, found, vars["DATABRICKS_METADATA_SERVICE_URL"])
	for _, dir := range []string{w.client, w.server} {
		require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			b, err := os.ReadFile(path)
			if err == nil {
				requireNoSecret(t, path, b, token)
			}
			return err
		}))
	}
	agent.interrupt(t)
	for _, said := range []*buffer{agent.errs, w.idp.errs, w.workspace.errs} {
		requireNoSecret(t, "what a program said", []byte(said.String()), token)
		require.NotContains(t, said.String(), vars["DATABRICKS_METADATA_SERVICE_URL"])
	}
}

// token asks the metadata service for the token itself, to look for it later.
func (w *world) token(t *testing.T, vars map[string]string) string {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, vars["DATABRICKS_METADATA_SERVICE_URL"], nil)
	require.NoError(t, err)
	req.Header.Set("X-Databricks-Metadata-Version", "1")
	req.Header.Set("X-Databricks-Host", w.host)
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, res.StatusCode, string(b))
	var answer struct {
		AccessToken string `json:"access_token"`
		ExpiresOn   int64  `json:"expires_on"`
	}
	require.NoError(t, json.Unmarshal(b, &answer))
	require.NotEmpty(t, answer.AccessToken)
	require.Positive(t, answer.ExpiresOn)
	return answer.AccessToken
}

// jwt matches what an ID token or an issuer's access token looks like.
var jwt = regexp.MustCompile(`eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}`)

func requireNoSecret(t *testing.T, where string, b []byte, token string) {
	t.Helper()
	require.NotContains(t, string(b), token, where)
	require.Nil(t, jwt.Find(b), "%s holds a JWT", where)
	require.NotContains(t, string(b), "DATABRICKS_TOKEN", where)
}

func outputs(t *testing.T, notebook []byte) string {
	t.Helper()
	var nb struct {
		Cells []struct {
			Outputs []struct {
				Text json.RawMessage `json:"text"`
			} `json:"outputs"`
		} `json:"cells"`
	}
	require.NoError(t, json.Unmarshal(notebook, &nb))
	var all strings.Builder
	for _, c := range nb.Cells {
		for _, o := range c.Outputs {
			var lines []string
			if json.Unmarshal(o.Text, &lines) != nil {
				lines = []string{string(o.Text)}
			}
			all.WriteString(strings.Join(lines, ""))
		}
	}
	return all.String()
}
