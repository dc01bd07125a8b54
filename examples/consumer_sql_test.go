package examples_test

import (
	"bufio"
	"fmt"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// warehouse adds a SQL warehouse to the workspace and returns what it logs.
func (o *office) warehouse(t *testing.T) *buffer {
	t.Helper()
	log := &buffer{}
	cmd := exec.Command(consumers(t, "python", "bin", "python3"), "testdata/warehouse.py")
	cmd.Stderr = log
	alive, err := cmd.StdinPipe()
	require.NoError(t, err)
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = alive.Close() // it ends with its standard input
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("the warehouse said:\n%s", log)
		}
	})
	port, err := bufio.NewReader(stdout).ReadString('\n')
	require.NoError(t, err, "the warehouse ended")
	at, err := url.Parse("http://127.0.0.1:" + strings.TrimSpace(port))
	require.NoError(t, err)
	proxy := httputil.NewSingleHostReverseProxy(at)
	o.stubs.HandleFunc("POST /sql/1.0/warehouses/{id}", func(w http.ResponseWriter, r *http.Request) {
		r.Header.Del("Authorization") // it is the workspace that trusts the caller
		proxy.ServeHTTP(w, r)
	})
	return log
}

func TestConsumerSQLConnector(t *testing.T) {
	consumers(t, "python", "bin", "python3")
	o := newOffice(t)
	asked := o.warehouse(t)

	out := o.page(t, "sql-python", o.environ(t, "python/bin"))
	require.Equal(t, "the warehouse says 1\n", out)
	require.Equal(t, "statement: SELECT 1 AS id\n", asked.String())
	require.Equal(t, 1, o.mints())
	requireShown(t, "sql-python", "python", "query.py")
}

func TestConsumerSQLGo(t *testing.T) {
	consumers(t, "bin", "sql-go")
	o := newOffice(t)
	asked := o.warehouse(t)
	out := o.page(t, "sql-go", o.environ(t, "bin"))
	require.Equal(t, "the warehouse says 1\n", out)
	require.Equal(t, "statement: SELECT 1 AS id\n", asked.String())
	require.Equal(t, 1, o.mints())
	requireShown(t, "sql-go", "go", "main.go")
}

// dbt reaches a warehouse at port 443 only, unless its profile says where.
func TestConsumerDBT(t *testing.T) {
	consumers(t, "dbt", "bin", "dbt")
	o := newOffice(t)
	asked := o.warehouse(t)
	profile := filepath.Join(o.folder(t, "dbt"), "profiles.yml")
	written, err := os.ReadFile(profile)
	require.NoError(t, err)
	at := o.host + "/sql/1.0/warehouses/a1b2c3d4e5f6"
	require.NoError(t, os.WriteFile(profile, fmt.Appendf(written, "      connection_parameters: {_connection_uri: %q}\n", at), 0o600))

	out := o.page(t, "dbt", append(o.environ(t, "dbt/bin"), "DO_NOT_TRACK=1", "NO_COLOR=1"))
	require.Contains(t, out, "All checks passed!")
	require.Contains(t, asked.String(), "select 1 as id")
	require.Equal(t, 1, o.mints())
	requireShown(t, "dbt", "yaml", "profiles.yml")
}

// Whom the workspace does not know gets nothing from the stand-ins either, so that
// what the tools got through there they got by their token.
func TestConsumersAreKnown(t *testing.T) {
	o := newOffice(t)
	o.stubs.HandleFunc("POST /sql/1.0/warehouses/{id}", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	for authorization, status := range map[string]int{
		"":                     http.StatusUnauthorized,
		"Bearer of-somebody":   http.StatusUnauthorized,
		"Bearer " + admin:      http.StatusUnauthorized, // no person's
		"Basic YWRhOnNlY3JldA": http.StatusUnauthorized,
	} {
		require.Equal(t, status, o.post(t, "/sql/1.0/warehouses/a1", authorization), authorization)
	}
	_, vars := o.agent(t)
	require.Equal(t, http.StatusNoContent, o.post(t, "/sql/1.0/warehouses/a1", "Bearer "+o.token(t, vars)))
}

// post sends an empty request and returns the status of the answer.
func (o *office) post(t *testing.T, path, authorization string) int {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, o.host+path, http.NoBody)
	require.NoError(t, err)
	req.Header.Set("Authorization", authorization)
	res, err := o.trusting.Do(req)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	return res.StatusCode
}

// requireShown requires that what a page shows of a file stands in the file.
func requireShown(t *testing.T, tool, language, file string) {
	t.Helper()
	code := fenced(t, "consumers/"+tool+"/README.md", language)
	require.NotEmpty(t, code)
	b, err := os.ReadFile("consumers/" + tool + "/" + file)
	require.NoError(t, err)
	for _, c := range code {
		require.Contains(t, string(b), c)
	}
}
