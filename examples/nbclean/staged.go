package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/lakekey/lakekey/databricks/notebook"
)

// staged looks at the notebooks in git's index: what will be committed, which need not
// be what lies in the folder.
func staged(ctx context.Context, r *report) {
	names, err := git(ctx, ".", maxNames, "diff", "--cached", "--name-only", "--no-renames", "--diff-filter=d", "-z")
	if err != nil {
		r.add(".", nil, nil, err)
		return
	}
	s := notebook.NewScanner()
	for name := range strings.SplitSeq(strings.TrimSuffix(string(names), "\x00"), "\x00") {
		if ctx.Err() != nil {
			return
		}
		data, is, err := blob(ctx, name)
		if err != nil {
			r.add(name, nil, nil, err)
		} else if is {
			found, err := s.Find(ctx, data)
			r.add(name, nil, found, err)
		}
	}
}

const maxNames = 64 << 20 // bytes of git's list of files

// blob is the staged content of a file, and whether it is a notebook.
func blob(ctx context.Context, name string) (data []byte, is bool, err error) {
	ipynb := strings.EqualFold(filepath.Ext(name), ".ipynb")
	if !ipynb && !notebook.MayBeSource(name) {
		return nil, false, nil
	}
	object := ":0:" + name
	size, err := git(ctx, ".", 64, "cat-file", "-s", object)
	if err != nil {
		return nil, false, err
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(size)), 10, 64)
	if err != nil {
		return nil, false, errors.New("git does not say how large it is")
	}
	if n > notebook.MaxSize {
		if ipynb {
			err = notebook.ErrTooLarge
		}
		return nil, ipynb, err
	}
	data, err = git(ctx, ".", notebook.MaxSize, "cat-file", "blob", object)
	return data, ipynb || notebook.IsSourceFormat(data), err
}

// git runs git in a folder and returns up to limit bytes of what it prints.
func git(ctx context.Context, dir string, limit int64, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir = dir
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("running git: %w", err)
	}
	out, rerr := io.ReadAll(io.LimitReader(stdout, limit+1))
	if int64(len(out)) > limit {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		return nil, fmt.Errorf("git %s prints more than %d bytes", args[0], limit)
	}
	if err := cmd.Wait(); err != nil || rerr != nil {
		return nil, fmt.Errorf("git %s: %s", args[0], strings.TrimSpace(complaint.String()))
	}
	return out, nil
}
