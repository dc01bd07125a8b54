package notebook

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// IsNotebook reports whether a file is a notebook: by its name, and in the source
// format by how it begins.
func IsNotebook(path string) (bool, error) {
	if strings.EqualFold(filepath.Ext(path), ".ipynb") {
		return true, nil
	}
	if !MayBeSource(path) {
		return false, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return false, fmt.Errorf("notebook: %w", err)
	}
	defer f.Close()
	head := make([]byte, 128)
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return false, fmt.Errorf("notebook: %w", err)
	}
	return IsSourceFormat(head[:n]), nil
}

// Files calls found with every notebook in a folder and below it, the checkpoints
// of Jupyter too, in lexical order, until found returns an error. Links are not
// followed, and .git is left out.
func Files(ctx context.Context, folder string, found func(path string) error) error {
	return filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return fmt.Errorf("notebook: %w", err)
		case ctx.Err() != nil:
			return ctx.Err()
		case d.IsDir() && d.Name() == ".git":
			return filepath.SkipDir
		case !d.Type().IsRegular():
			return nil
		}
		if is, err := IsNotebook(path); err != nil || !is {
			return err
		}
		return found(path)
	})
}

// FindFile is [Scanner.Find] for a file.
func (s *Scanner) FindFile(ctx context.Context, path string) ([]Finding, error) {
	data, _, err := read(path)
	if err != nil {
		return nil, err
	}
	return s.Find(ctx, data)
}

// CleanFile is [Scanner.Clean] for a file. It replaces the file in one step, and only
// if something was removed. Behind a link it is the link's target that is replaced.
func (s *Scanner) CleanFile(ctx context.Context, path string, o Options) (removed, left []Finding, err error) {
	path, err = filepath.EvalSymlinks(path)
	if err != nil {
		return nil, nil, fmt.Errorf("notebook: %w", err)
	}
	data, before, err := read(path)
	if err != nil {
		return nil, nil, err
	}
	cleaned, removed, left, err := s.Clean(ctx, data, o)
	if err != nil || len(removed) == 0 {
		return removed, left, err
	}
	if err := replace(path, data, cleaned, before); err != nil {
		return nil, nil, err
	}
	return removed, left, nil
}

// read reads a file that may be a notebook.
func read(path string) ([]byte, fs.FileInfo, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, fmt.Errorf("notebook: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, nil, fmt.Errorf("notebook: %w", err)
	case !info.Mode().IsRegular():
		return nil, nil, fmt.Errorf("%w: it is a folder or a device", ErrNotNotebook)
	case info.Size() > MaxSize:
		return nil, nil, ErrTooLarge
	}
	data, err := io.ReadAll(io.LimitReader(f, MaxSize+1))
	switch {
	case err != nil:
		return nil, nil, fmt.Errorf("notebook: %w", err)
	case len(data) > MaxSize: // it grew
		return nil, nil, ErrTooLarge
	}
	return data, info, nil
}

// replace puts cleaned where data was: whoever reads the file sees the one or the
// other.
func replace(path string, data, cleaned []byte, before fs.FileInfo) (err error) {
	beside, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("notebook: %w", err)
	}
	defer func() {
		if err != nil {
			_ = beside.Close()
			_ = os.Remove(beside.Name())
			err = fmt.Errorf("notebook: cleaning %s, which is as it was: %w", path, err)
		}
	}()
	if _, err = beside.Write(cleaned); err != nil {
		return err
	}
	own(beside, before)
	if err = beside.Chmod(before.Mode().Perm()); err != nil {
		return err
	}
	if err = beside.Sync(); err != nil {
		return err
	}
	if err = beside.Close(); err != nil {
		return err
	}
	// Jupyter saves every two minutes by itself. What it wrote since must not be lost.
	now, _, err := read(path)
	if err != nil {
		return err
	}
	if !bytes.Equal(now, data) {
		return errors.New("somebody else has written it meanwhile; close it in Jupyter and clean it again")
	}
	return os.Rename(beside.Name(), path)
}
