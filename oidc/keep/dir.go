package keep

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"github.com/lakekey/lakekey/oidc"
)

// Key is what seals a directory's files.
type Key interface {
	// Key returns 32 random bytes, always the same ones, which it makes the first
	// time. Nobody else calls it for the same directory meanwhile. It may take as
	// long as ctx lasts, when a keyring must be unlocked.
	Key(ctx context.Context) ([]byte, error)
}

// Dir is a directory of sealed sessions. It implements [oidc.Store].
type Dir struct {
	path string
	seal cipher.AEAD

	step func(what string) // tests stop a process here
}

var _ oidc.Store = (*Dir)(nil)

const keySize = 32

// Open prepares a directory, which it makes if it is not there, takes its key
// and writes a file, to find out now whether that works.
func Open(ctx context.Context, path string, key Key) (*Dir, error) {
	if path == "" || key == nil {
		return nil, errors.New("keep: which directory, and sealed with which key?")
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("keep: %v", err)
	}
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("keep: making the directory for sessions: %v", err)
	}
	info, err := os.Lstat(path)
	if err != nil {
		return nil, fmt.Errorf("keep: %v", err)
	}
	if !info.IsDir() {
		return nil, fmt.Errorf("keep: %s is no directory", path)
	}
	if err := private(info); err != nil {
		return nil, fmt.Errorf("keep: the directory %s %v", path, err)
	}
	d := &Dir{path: path, step: func(string) {}}
	lock, err := d.lock(ctx, "key")
	if err != nil {
		return nil, err
	}
	defer lock.Close()
	secret, err := key.Key(ctx)
	if err != nil {
		return nil, fmt.Errorf("keep: taking the key that seals sessions: %w", err)
	}
	if len(secret) != keySize {
		return nil, fmt.Errorf("keep: the key that seals sessions has %d bytes instead of %d", len(secret), keySize)
	}
	block, err := aes.NewCipher(secret)
	if err != nil {
		return nil, fmt.Errorf("keep: %v", err)
	}
	if d.seal, err = cipher.NewGCM(block); err != nil {
		return nil, fmt.Errorf("keep: %v", err)
	}
	probe := &entry{dir: d, name: "probe"}
	if err := probe.Reserve(1); err != nil {
		return nil, err
	}
	if err := probe.discard(); err != nil {
		return nil, err
	}
	return d, nil
}

// entryName is what package oidc calls entries; nothing else gets to be a path.
var entryName = regexp.MustCompile(`^[0-9a-f]{64}$`)

// Hold implements [oidc.Store].
func (d *Dir) Hold(ctx context.Context, name string) (oidc.Entry, error) {
	if !entryName.MatchString(name) {
		return nil, errors.New("keep: an entry's name has 64 hexadecimal digits")
	}
	lock, err := d.lock(ctx, name)
	if err != nil {
		return nil, err
	}
	d.step("locked")
	return &entry{dir: d, name: name, lock: lock}, nil
}

// The first tries are close together, because most holders only read.
const (
	firstPause  = 2 * time.Millisecond
	longestWait = 100 * time.Millisecond
)

// lock waits for the lock called name. The file is there for this alone: the lock
// of a file that is replaced by renaming belongs to the old one.
func (d *Dir) lock(ctx context.Context, name string) (*os.File, error) {
	path := filepath.Join(d.path, name+".lock")
	f, err := openOwn(path, os.O_RDWR|os.O_CREATE)
	if errors.Is(err, fs.ErrPermission) || readOnly(err) {
		f, err = openOwn(path, os.O_RDONLY) // of a directory that has become read-only; a lock needs no writing
	}
	if err != nil {
		return nil, err
	}
	for pause := firstPause; ; pause = min(2*pause, longestWait) {
		err := lockFile(f)
		if err == nil {
			return f, nil
		}
		if !busy(err) {
			_ = f.Close()
			return nil, fmt.Errorf("keep: locking %s: %v", path, err)
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			_ = f.Close()
			return nil, fmt.Errorf("keep: waiting for %s: %w", path, ctx.Err())
		}
	}
}

// openOwn opens a file that is the person's alone.
func openOwn(path string, flags int) (*os.File, error) {
	f, err := os.OpenFile(path, flags|noFollow, 0o600)
	if err != nil {
		if linked(err) {
			return nil, fmt.Errorf("keep: %s is a symbolic link, which is not followed", path)
		}
		return nil, fmt.Errorf("keep: %w", err)
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("is no file")
	}
	if err == nil {
		err = private(info)
	}
	if err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("keep: %s %v", path, err)
	}
	return f, nil
}

// Format keeps the key out of whatever prints a Dir.
func (d *Dir) Format(f fmt.State, _ rune) { _, _ = fmt.Fprintf(f, "sealed sessions in %s", d.path) }
