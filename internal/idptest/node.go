package idptest

import (
	"context"
	"embed"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

//go:embed testdata/node/panva.mjs
var scripts embed.FS

// Node returns a command that runs a JavaScript module, given as text, with the
// npm packages openid-client, jose and oidc-provider to import from.
func Node(ctx context.Context, t testing.TB, module string, args ...string) *exec.Cmd {
	t.Helper()
	dir, script := nodeModule(t, module)
	cmd := exec.CommandContext(ctx, program(t, "node", "JavaScript"), append([]string{script}, args...)...)
	cmd.Dir = dir
	return cmd
}

// nodeModule lays a module where its imports are found: Node looks for packages in
// folders above the file, and nowhere else for a module of this kind.
// https://nodejs.org/api/esm.html#no-node_path
func nodeModule(t testing.TB, module string) (dir, script string) {
	t.Helper()
	packages := installed(t, "node", "node_modules")
	dir = t.TempDir()
	script = filepath.Join(dir, "main.mjs")
	if err := os.Symlink(packages, filepath.Join(dir, "node_modules")); err != nil {
		t.Fatalf("idptest: %v", err)
	}
	if err := os.WriteFile(script, []byte(module), 0o600); err != nil {
		t.Fatalf("idptest: %v", err)
	}
	return dir, script
}
