package audit

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// openRegular opens the file at path itself. Whoever may write to the folder of
// a log could put something else there: a link, which would have another file
// read or written in its place, or a pipe, which would keep us for ever.
func openRegular(path string, flag int) (*os.File, error) {
	// The flags do the same without a gap between looking and opening, where the
	// system has them. Looking first keeps devices from noticing us.
	info, err := os.Lstat(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if err == nil && !info.Mode().IsRegular() {
		return nil, irregular(path, info)
	}
	return checked(path, info, flag|noFollow|noBlock)
}

// openFollowing opens a file to read that may be reached through a link, as
// secrets are that a container is given.
func openFollowing(path string) (*os.File, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, irregular(path, info)
	}
	return checked(path, info, os.O_RDONLY|noBlock)
}

// checked opens what was seen: nil if nothing was there.
func checked(path string, seen os.FileInfo, flag int) (*os.File, error) {
	f, err := os.OpenFile(path, flag, 0o600)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	switch {
	case err != nil:
	case !info.Mode().IsRegular():
		err = irregular(path, info)
	case seen != nil && !os.SameFile(seen, info):
		err = fmt.Errorf("%s was replaced while it was opened", path)
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

func irregular(path string, info os.FileInfo) error {
	return fmt.Errorf("%s is not a regular file (%s): remove it if you did not put it there", path, info.Mode().Type())
}

// replaceFile makes what r holds the file at path, durably and whole or not at
// all. Only the holder of the log's lock may call it: the unfinished file has a
// fixed name, so that one which a crash left is cleared away by the next.
func replaceFile(path string, r io.Reader) error {
	tmp := path + ".tmp"
	if err := os.Remove(tmp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	// O_EXCL opens nothing that is there already, not even through a link.
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if err := fill(f, r); err != nil {
		_ = os.Remove(tmp)
		return err
	}
	if err := os.Rename(tmp, path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// createFile makes a file at path of what r holds, durably and whole or not at
// all, and fails with [fs.ErrExist] if anything is there.
func createFile(path string, r io.Reader) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.tmp") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	if err := fill(f, r); err != nil {
		return err
	}
	// Renaming would replace what another program has put there meanwhile; a
	// second name cannot.
	if err := os.Link(f.Name(), path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// fill writes r to f, durably, and closes f.
func fill(f *os.File, r io.Reader) error {
	_, err := io.Copy(f, r)
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}
