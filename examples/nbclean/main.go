package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/lakekey/lakekey/databricks/notebook"
	"github.com/lakekey/lakekey/examples/internal/cli"
)

const usage = `nbclean takes tokens out of notebooks, and says where they were.

usage:
  nbclean PATH ...
        takes them out of outputs, metadata and attachments; what stands in source is
        left and named
  nbclean -check PATH ...
        changes nothing: for CI
  nbclean -staged
        looks at what the next commit would hold, and changes nothing: for a git hook
  nbclean install [-dir REPOSITORY]
        installs that hook

PATH is a notebook or a folder, of which everything is taken: .ipynb, also in
.ipynb_checkpoints, and .py, .sql, .scala and .r in the source format of Databricks.
A PATH that is another kind of file is passed over.

exits with 0 if no token is left, 1 if there is one, 2 if that could not be found out.
What was found must be revoked, too: there may be copies.

Flags:
`

func main() { os.Exit(cli.Run(run)) }

const (
	statusLeft    = 1
	statusUnknown = 2
)

// options are the flags of nbclean.
type options struct {
	check, staged, source, json bool
}

// run is main with its surroundings passed in; it returns the exit status.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	if len(args) > 0 && args[0] == "install" {
		return cli.Status(ctx, "nbclean", install(ctx, args[1:], stdout, stderr), stderr)
	}
	var o options
	fs := flag.NewFlagSet("nbclean", flag.ContinueOnError)
	fs.BoolVar(&o.check, "check", false, "change nothing")
	fs.BoolVar(&o.staged, "staged", false, "look at what the next commit would hold")
	fs.BoolVar(&o.source, "source", false, "take them out of source, too: the code will need mending")
	fs.BoolVar(&o.json, "json", false, "print one JSON object")
	err := cli.Parse(fs, usage, args, stderr)
	switch {
	case err != nil:
	case o.staged && (o.source || fs.NArg() > 0):
		err = cli.Usagef("-staged changes nothing and takes no PATH")
	case o.check && o.source:
		err = cli.Usagef("-check changes nothing: -source is for cleaning")
	case !o.staged && fs.NArg() == 0:
		err = cli.Usagef("which notebooks?")
	}
	if err != nil {
		return cli.Status(ctx, "nbclean", err, stderr)
	}
	r := &report{check: o.check || o.staged, json: o.json, stdout: stdout, stderr: stderr}
	if o.staged {
		staged(ctx, r)
	} else {
		paths(ctx, o, fs.Args(), r)
	}
	if ctx.Err() != nil {
		return cli.Status(ctx, "nbclean", ctx.Err(), stderr)
	}
	return r.end()
}

// paths looks at, or cleans, what the command line names.
func paths(ctx context.Context, o options, all []string, r *report) {
	s := notebook.NewScanner()
	one := func(path string) error {
		if o.check {
			found, err := s.FindFile(ctx, path)
			r.add(path, nil, found, err)
		} else {
			removed, left, err := s.CleanFile(ctx, path, notebook.Options{Source: o.source})
			if errors.Is(err, notebook.ErrNotNotebook) { // broken: it may hold something all the same
				var unclean error
				if left, unclean = s.FindFile(ctx, path); unclean == nil {
					err = fmt.Errorf("%w: mend its JSON first", err)
				}
			}
			r.add(path, removed, left, err)
		}
		return ctx.Err()
	}
	for _, path := range all {
		info, err := os.Stat(path)
		switch {
		case err != nil:
			r.add(path, nil, nil, err)
			continue
		case info.IsDir():
			if err := notebook.Files(ctx, path, one); err != nil && ctx.Err() == nil {
				r.add(path, nil, nil, err)
			}
			continue
		}
		is, err := notebook.IsNotebook(path)
		if err != nil {
			r.add(path, nil, nil, err)
		} else if is {
			_ = one(path) // the ctx's error, which run looks at
		}
	}
}
