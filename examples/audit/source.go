package main

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/lakekey/lakekey/fido/audit"
	"github.com/lakekey/lakekey/fido/audit/postgres"
	"github.com/lakekey/lakekey/fido/audit/sqlite"
)

// source is where a log is.
type source struct {
	file string
	db   audit.Database // nil: in the file
}

// open opens what -log names, to read.
func (o *options) open(ctx context.Context) (*source, error) {
	if strings.HasPrefix(o.log, "postgres://") || strings.HasPrefix(o.log, "postgresql://") {
		db, err := postgres.OpenToRead(ctx, o.log)
		if err != nil {
			return nil, fmt.Errorf("-log: %w", err)
		}
		return &source{db: db}, nil
	}
	rest, ok := strings.CutPrefix(o.log, "sqlite:")
	if !ok {
		return &source{file: o.log}, isLog(o.log)
	}
	db, err := sqlite.OpenToRead(ctx, rest)
	if err != nil {
		return nil, fmt.Errorf("-log: %w", err)
	}
	return &source{db: db}, nil
}

// isLog returns an error if there is nothing at path that could be a log: a slip of
// whoever typed it is no finding about the log.
func isLog(path string) error {
	info, err := os.Stat(path)
	switch {
	case err == nil && info.IsDir():
		return fmt.Errorf("-log: %s is a directory, not a log", path)
	case err == nil:
		return nil
	}
	if _, alone := os.Lstat(path + ".checkpoint"); alone == nil {
		return fmt.Errorf("-log: %v, and its checkpoint is there: the log was moved or removed", err)
	}
	return fmt.Errorf("-log: %v; is that where the log is?", err)
}

func (s *source) close() {
	if s.db != nil {
		_ = s.db.Close()
	}
}

// verify verifies the log against its newest checkpoint and those in v.
func (s *source) verify(ctx context.Context, o *options, v audit.VerifyOptions) (*audit.Report, error) {
	if s.db != nil {
		return audit.VerifySQL(ctx, s.db, o.verifier, v)
	}
	return audit.VerifyFile(s.file, o.verifier, v)
}

// checkpoint returns the newest checkpoint of the log.
func (s *source) checkpoint(ctx context.Context) ([]byte, error) {
	if s.db != nil {
		return audit.CheckpointSQL(ctx, s.db)
	}
	return readSmall("the checkpoint beside the log", s.file+".checkpoint")
}

// reader returns the records.
func (s *source) reader(ctx context.Context) (io.ReadCloser, error) {
	if s.db != nil {
		return io.NopCloser(audit.ReadSQL(ctx, s.db)), nil
	}
	f, err := os.Open(s.file)
	if err != nil {
		return nil, fmt.Errorf("-log: %v", err)
	}
	return f, nil
}

// verified opens the log, verifies it, shows each record to fn and closes it. To
// fn nothing is certain before it returns.
func (o *options) verified(ctx context.Context, fn func(*audit.Record) error) (*audit.Report, error) {
	s, err := o.open(ctx)
	if err != nil {
		return nil, err
	}
	defer s.close()
	kept, err := o.kept()
	if err != nil {
		return nil, err
	}
	return s.verify(ctx, o, audit.VerifyOptions{Checkpoints: kept, Each: func(r *audit.Record) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		if fn == nil {
			return nil
		}
		return fn(r)
	}})
}

// write writes what is certain: to -out, whole or not at all, or to stdout.
func (o *options) write(stdout io.Writer, from io.Reader) error {
	if o.out == "" {
		_, err := io.Copy(stdout, from)
		return err
	}
	return writeFile(o.out, func(w io.Writer) error {
		_, err := io.Copy(w, from)
		return err
	})
}

// writeFile makes a file that its owner alone may read, whole or not at all.
func writeFile(path string, fill func(io.Writer) error) error {
	if info, err := os.Lstat(path); err == nil && !info.Mode().IsRegular() {
		return fmt.Errorf("-out: %s is not a regular file: %w", path, fs.ErrExist)
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".audit-*")
	if err != nil {
		return fmt.Errorf("-out: %v", err)
	}
	defer os.Remove(f.Name())
	err = fill(f)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("-out: %v", err)
	}
	return nil
}
