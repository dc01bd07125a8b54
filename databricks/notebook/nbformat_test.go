package notebook_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/databricks/notebook"
)

// A notebook that a real kernel made is one that Jupyter's own library still takes for
// valid once it is cleaned, and that says the same but for the tokens.
func TestJupyter(t *testing.T) {
	interpreter := os.Getenv("LAKEKEY_PYTHON")
	if interpreter == "" {
		t.Skip("no Python with nbclient: make a venv, pip install -r .ci/requirements.txt, set LAKEKEY_PYTHON to its python")
	}
	path := filepath.Join(t.TempDir(), "a.ipynb")
	run := func(args ...string) string {
		t.Helper()
		cmd := exec.Command(interpreter, append([]string{"testdata/jupyter.py"}, args...)...)
		cmd.Env = append(os.Environ(), "HOME="+filepath.Dir(path), "JUPYTER_PLATFORM_DIRS=1", "TOKEN="+pat(), "JWT="+token())
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, string(out))
		return string(out)
	}
	run("make", path)
	made, err := os.ReadFile(path)
	require.NoError(t, err)

	s := notebook.NewScanner()
	removed, left, err := s.CleanFile(t.Context(), path, notebook.Options{})
	require.NoError(t, err)
	require.Empty(t, left)
	kinds := map[string]int{}
	for _, f := range removed {
		require.Equal(t, notebook.Output, f.Area)
		kinds[f.Kind]++
	}
	// Printed in pieces; a result and its HTML; base64 in an object; the coloured
	// traceback of an error and its message.
	require.GreaterOrEqual(t, kinds["databricks-token"], 5, "%v", removed)
	require.GreaterOrEqual(t, kinds["jwt"], 2, "%v", removed)
	require.Equal(t, "valid\n", run("compare", path, write(t, filepath.Join(filepath.Dir(path), "made.ipynb"), string(made))))
}
