package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/lakekey/lakekey/examples/internal/cli"
)

const mark = "# installed by nbclean\n"

// install writes the hook that git runs before each commit.
func install(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("nbclean install", flag.ContinueOnError)
	dir := flags.String("dir", ".", "the `REPOSITORY`")
	if err := cli.Parse(flags, "nbclean install makes git refuse commits that hold tokens in notebooks.\n\nFlags:\n", args, stderr); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return cli.Usagef("%q is left over: the repository is said with -dir", flags.Arg(0))
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	answer, err := git(ctx, *dir, 1<<16, "rev-parse", "--git-path", "hooks") // core.hooksPath is in it
	if err != nil {
		return err
	}
	hooks := strings.TrimSuffix(string(answer), "\n")
	if !filepath.IsAbs(hooks) {
		hooks = filepath.Join(*dir, hooks)
	}
	path := filepath.Join(hooks, "pre-commit")
	there, err := os.ReadFile(path)
	switch {
	case err == nil && !bytes.Contains(there, []byte(mark)):
		return fmt.Errorf("%s is there already: add this line to it\n  %s -staged || exit 1", path, quote(self))
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return err
	}
	if err := os.MkdirAll(hooks, 0o755); err != nil {
		return err
	}
	// Where it is now, or else in the PATH: go run deletes its programs. If it is
	// nowhere the commit is refused.
	script := "#!/bin/sh\n" + mark + "nbclean=" + quote(self) + "\n[ -x \"$nbclean\" ] || nbclean=nbclean\nexec \"$nbclean\" -staged\n"
	if err := os.WriteFile(path, []byte(script), 0o755); err != nil {
		return err
	}
	fmt.Fprintf(stdout, "%s looks for tokens in notebooks from now on\n", path)
	return nil
}

// quote quotes s for a shell.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
