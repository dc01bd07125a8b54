package keep

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// entry is one sealed file while its lock is held.
type entry struct {
	dir  *Dir
	name string
	lock *os.File
	next *os.File // reserved for the next content; nil: not yet
	room int64    // how long next is
}

const (
	magic   = "lakekey sealed session 1\n"
	block   = 4096    // lengths are rounded up to it
	maxFile = 4 << 20 // nothing that we wrote is longer
)

func (e *entry) path() string { return filepath.Join(e.dir.path, e.name) }

func (e *entry) nextPath() string { return e.path() + ".new" }

// Load implements [oidc.Entry].
func (e *entry) Load() ([]byte, error) {
	f, err := openOwn(e.path(), os.O_RDONLY)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	sealed, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("keep: reading a session: %v", err)
	}
	data, err := e.dir.unseal(e.name, sealed)
	if err != nil {
		return nil, fmt.Errorf("keep: %s: %v", e.path(), err)
	}
	e.dir.step("loaded")
	return data, nil
}

// sealedSize is the length of the file that holds size bytes.
func (d *Dir) sealedSize(size int) int64 {
	padded := (4 + size + block - 1) / block * block
	return int64(len(magic) + d.seal.NonceSize() + padded + d.seal.Overhead())
}

// sealed is a file's content: padded, so that its length says little, and bound to
// the entry's name, so that no file can stand in for another.
func (d *Dir) sealed(name string, data []byte) []byte {
	padded := make([]byte, (4+len(data)+block-1)/block*block)
	binary.BigEndian.PutUint32(padded, uint32(len(data)))
	copy(padded[4:], data)
	out := append([]byte(magic), make([]byte, d.seal.NonceSize())...)
	nonce := out[len(magic):]
	_, _ = rand.Read(nonce) // never fails
	return d.seal.Seal(out, nonce, padded, []byte(magic+name))
}

var errSealed = errors.New("it was sealed with another key, or has been changed: remove it and sign in again")

func (d *Dir) unseal(name string, file []byte) ([]byte, error) {
	head := len(magic) + d.seal.NonceSize()
	if len(file) > maxFile || len(file) < head || string(file[:len(magic)]) != magic {
		return nil, errSealed
	}
	padded, err := d.seal.Open(nil, file[len(magic):head], file[head:], []byte(magic+name))
	if err != nil || len(padded) < 4 {
		return nil, errSealed
	}
	n := binary.BigEndian.Uint32(padded)
	if int64(n) > int64(len(padded)-4) {
		return nil, errSealed
	}
	return padded[4 : 4+n], nil
}

// Reserve implements [oidc.Entry]. The room is taken by writing: a file that was
// only made long has none.
func (e *entry) Reserve(size int) error {
	if size < 0 || size > maxFile/2 {
		return fmt.Errorf("keep: %d bytes are too many for a session", size)
	}
	if err := e.discard(); err != nil {
		return err
	}
	f, err := openOwn(e.nextPath(), os.O_RDWR|os.O_CREATE|os.O_EXCL)
	if err != nil {
		return err
	}
	e.next, e.room = f, e.dir.sealedSize(size)
	_, err = f.Write(make([]byte, e.room))
	if err == nil {
		err = f.Sync()
	}
	if err != nil {
		return errors.Join(fmt.Errorf("keep: taking room for a session: %v", err), e.discard())
	}
	e.dir.step("reserved")
	return nil
}

// discard gives up what is reserved, also what a process left that was killed.
func (e *entry) discard() error {
	if e.next != nil {
		_ = e.next.Close()
		e.next = nil
	}
	if err := os.Remove(e.nextPath()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("keep: %v", err)
	}
	return nil
}

// Save implements [oidc.Entry].
func (e *entry) Save(data []byte) error {
	if len(data) == 0 {
		return e.remove()
	}
	if e.next == nil || e.dir.sealedSize(len(data)) > e.room {
		if err := e.Reserve(len(data)); err != nil {
			return err
		}
	}
	file := e.dir.sealed(e.name, data)
	_, err := e.next.WriteAt(file, 0)
	e.dir.step("written")
	if err == nil {
		err = e.next.Truncate(int64(len(file)))
	}
	if err == nil {
		err = e.next.Sync()
	}
	e.dir.step("flushed")
	err = errors.Join(err, e.next.Close())
	e.next = nil
	if err == nil {
		err = os.Rename(e.nextPath(), e.path())
	}
	if err != nil {
		return errors.Join(fmt.Errorf("keep: writing a session: %v", err), e.discard())
	}
	e.dir.step("renamed")
	return e.dir.flush()
}

func (e *entry) remove() error {
	if err := os.Remove(e.path()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("keep: removing a session: %v", err)
	}
	return e.dir.flush()
}

// flush makes what was renamed and removed in the directory durable.
func (d *Dir) flush() error {
	if err := syncDir(d.path); err != nil {
		return fmt.Errorf("keep: %v", err)
	}
	return nil
}

// Release implements [oidc.Entry].
func (e *entry) Release() {
	_ = e.discard()    // the next holder does, too
	_ = e.lock.Close() // and with it goes the lock
}
