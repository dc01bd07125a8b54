package databricks_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/databricks"
	"github.com/lakekey/lakekey/oidc/workload"
)

// A job's token buys what a person's session buys: here one in a file, as
// Kubernetes projects it.
func TestJobsToken(t *testing.T) {
	w := newWorld(t)
	given, err := w.session.IDToken(t.Context(), w.AccountID())
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(file, []byte(given.Value.Reveal()), 0o600))
	job, err := workload.NewSession(workload.File(file), workload.Options{})
	require.NoError(t, err)
	source, err := databricks.NewTokenSource(job, databricks.Config{Host: w.url, Scopes: []string{"jobs"}, Now: w.session.now})
	require.NoError(t, err)
	defer source.Close()
	token, err := source.Token(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"jobs"}, token.Scopes)
	require.Equal(t, 1, w.exchanges())
}
