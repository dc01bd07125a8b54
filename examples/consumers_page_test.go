package examples_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// pinned are the versions that .ci/consumers and .ci/run install, by name.
func pinned(t *testing.T) map[string]string {
	t.Helper()
	version := regexp.MustCompile(`(?m)^\s*(?:require )?([\w./-]+)(?: |==)(v?\d[\w.]+)`)
	all := map[string]string{}
	pom, err := os.ReadFile("consumers/java/pom.xml")
	require.NoError(t, err)
	for _, m := range regexp.MustCompile(`<artifactId>(databricks-[\w-]+)</artifactId>\s*<version>([\d.]+)`).FindAllStringSubmatch(string(pom), -1) {
		all[m[1]+" of java"] = m[2]
	}
	files, err := filepath.Glob("consumers/*/*")
	require.NoError(t, err)
	for _, file := range append(files, "../.ci/requirements.txt") {
		if name := filepath.Base(file); name != "go.mod" && name != "requirements.txt" {
			continue
		}
		b, err := os.ReadFile(file)
		require.NoError(t, err)
		for _, m := range version.FindAllStringSubmatch(string(b), -1) {
			if filepath.Base(file) == "requirements.txt" || strings.HasPrefix(m[1], "github.com/databricks/") {
				all[filepath.Base(m[1])+" of "+filepath.Base(filepath.Dir(file))] = m[2]
			}
		}
	}
	return all
}

// What the pages and the README's table say was tested is what was tested.
func TestConsumersPages(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	require.NoError(t, err)
	versions := pinned(t)
	for folder, names := range map[string][]string{
		"cli":        {"cli of cli"},
		"terraform":  {"terraform-provider-databricks of terraform"},
		"python":     {"databricks-sdk of python", "ipykernel of .ci"},
		"sql-python": {"databricks-sql-connector of python"},
		"sql-go":     {"databricks-sql-go of sql-go"},
		"mlflow":     {"mlflow-skinny of python"},
		"java":       {"databricks-sdk-java of java"},
		"dbt":        {"dbt-databricks of dbt", "dbt-core of dbt"},
	} {
		page, err := os.ReadFile(filepath.Join("consumers", folder, "README.md"))
		require.NoError(t, err)
		row := regexp.MustCompile(`(?m)^\|.*\]\(examples/consumers/` + folder + `\).*$`).Find(readme)
		require.NotNil(t, row, "the README's table has no row for %s", folder)
		for _, name := range names {
			require.NotEmpty(t, versions[name], name)
			require.Contains(t, string(page), versions[name], "%s in the page on %s", name, folder)
			require.Contains(t, string(row), versions[name], "%s in the README's row on %s", name, folder)
		}
	}
	sdk, err := os.ReadFile("../go.mod")
	require.NoError(t, err)
	require.Contains(t, string(sdk), "github.com/databricks/databricks-sdk-go v0.175.0", "the README's row says so")
	require.Equal(t, versions["databricks-sdk of .ci"], versions["databricks-sdk of python"], "the notebook's SDK is the page's")
}
