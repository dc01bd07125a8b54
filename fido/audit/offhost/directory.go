package offhost

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
)

// Directory writes checkpoints to files that are written once, in the layout of
// an object store:
//
//	DIR/ORIGIN/00000000000000001234.checkpoint
//
// ORIGIN is the name of the log, its slashes escaped. The number is that of the
// records, so that names sort by it. If there is another checkpoint over as many
// records, which is the evidence that a log was forked, the new one gets a name
// with the beginning of the SHA-256 of its text behind the number.
//
// There is a file for every checkpoint that was made: at most one per
// [audit.Options] CheckpointInterval, and none while nothing is recorded.
type Directory struct{ dir string }

// NewDirectory returns a sink that writes into the directory at path, which must
// exist: a mount that is missing must not be mistaken for an empty directory.
func NewDirectory(path string) (*Directory, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("audit/offhost: the directory for checkpoints: %w", err)
	}
	if !info.IsDir() {
		return nil, fmt.Errorf("audit/offhost: %s is not a directory", path)
	}
	return &Directory{dir: path}, nil
}

// Keep implements [audit.CheckpointSink]. It fails, after it has written the
// checkpoint, if there is another one over as many records: somebody should look
// at both.
func (d *Directory) Keep(_ context.Context, checkpoint []byte) error {
	origin, size, text, err := read(checkpoint)
	if err != nil {
		return err
	}
	dir := filepath.Join(d.dir, origin)
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("audit/offhost: %v", err)
	}
	number := fmt.Sprintf("%020d", size)
	err = writeOnce(dir, number+suffix, checkpoint)
	if errors.Is(err, errOther) {
		sum := sha256.Sum256(text)
		if err := writeOnce(dir, number+"-"+hex.EncodeToString(sum[:8])+suffix, checkpoint); err != nil {
			return fmt.Errorf("audit/offhost: keeping a checkpoint: %v", err)
		}
		return fmt.Errorf("audit/offhost: %s holds different checkpoints over %d records: the log was forked or rewritten, compare them", dir, size)
	}
	if err != nil {
		return fmt.Errorf("audit/offhost: keeping a checkpoint: %v", err)
	}
	return nil
}

const suffix = ".checkpoint"

// read takes the name, the size and the signed text out of a checkpoint.
// https://c2sp.org/tlog-checkpoint
func read(checkpoint []byte) (origin string, size uint64, text []byte, err error) {
	text, _, signed := bytes.Cut(checkpoint, []byte("\n\n"))
	lines := strings.Split(string(text), "\n")
	if !signed || len(lines) < 3 || lines[0] == "" {
		return "", 0, nil, errForm
	}
	size, err = strconv.ParseUint(lines[1], 10, 63)
	if err != nil {
		return "", 0, nil, errForm
	}
	origin = url.PathEscape(lines[0])
	if strings.Trim(origin, ".") == "" || len(origin) > 200 {
		return "", 0, nil, fmt.Errorf("audit/offhost: a log called %q cannot name a directory", lines[0])
	}
	return origin, size, text, nil
}

var errForm = errors.New("audit/offhost: a checkpoint is not in the form of c2sp.org/tlog-checkpoint")

// writeOnce makes a file, durably and whole or not at all, and leaves one alone
// that holds the same.
func writeOnce(dir, name string, b []byte) error {
	path := filepath.Join(dir, name)
	if err := sameFile(path, b); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := os.CreateTemp(dir, ".*.tmp")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(b)
	if err == nil {
		err = f.Chmod(0o400)
	}
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	// A rename would replace what is there; a second name cannot. What has no hard
	// links has no such promise either, and gets the rename.
	switch err := os.Link(f.Name(), path); {
	case errors.Is(err, fs.ErrExist): // a replica came first
		return sameFile(path, b)
	case err != nil:
		if err := os.Rename(f.Name(), path); err != nil {
			return err
		}
	}
	return syncDir(dir)
}

var errOther = errors.New("there is a file of that name that says something else")

// sameFile returns nil if the file at path holds b.
func sameFile(path string, b []byte) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	there, err := io.ReadAll(io.LimitReader(f, int64(len(b))+1))
	if err == nil && !bytes.Equal(there, b) {
		return errOther
	}
	return err
}

// syncDir makes the name of a file durable, where a directory can be synced.
func syncDir(path string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	err = d.Sync()
	if cerr := d.Close(); err == nil {
		err = cerr
	}
	return err
}
