package keep

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// KeyFile is a key in a file of its own, for machines without a keyring. It
// protects what is sealed with it from whoever gets a copy of the one and not of
// the other: do not put it into the same directory. In one that is gone with the
// login, such as $XDG_RUNTIME_DIR, sessions end with the login, too.
func KeyFile(path string) Key { return keyFile(path) }

type keyFile string

// Key implements [Key].
func (k keyFile) Key(context.Context) ([]byte, error) {
	path := string(k)
	f, err := openOwn(path, os.O_RDONLY)
	if errors.Is(err, fs.ErrNotExist) {
		return k.create()
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, 256))
	if err != nil {
		return nil, fmt.Errorf("keep: reading the key: %v", err)
	}
	key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(key) != keySize {
		return nil, fmt.Errorf("keep: %s is no key: remove it, and sign in again", path)
	}
	return key, nil
}

func (k keyFile) create() ([]byte, error) {
	path := string(k)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("keep: making a place for the key: %v", err)
	}
	key := make([]byte, keySize)
	_, _ = rand.Read(key) // never fails
	_ = os.Remove(path + ".new")
	f, err := openOwn(path+".new", os.O_WRONLY|os.O_CREATE|os.O_EXCL)
	if err != nil {
		return nil, err
	}
	_, err = f.WriteString(base64.StdEncoding.EncodeToString(key) + "\n")
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	if err != nil {
		_ = os.Remove(path + ".new")
		return nil, fmt.Errorf("keep: writing the key: %v", err)
	}
	if err := syncDir(filepath.Dir(path)); err != nil {
		return nil, fmt.Errorf("keep: writing the key: %v", err)
	}
	return key, nil
}
