package mds

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// fileStamp tells one state of a file from another.
type fileStamp struct {
	modified time.Time
	size     int64
}

// memory is what File.state remembers.
type memory struct {
	// Number is the highest that was accepted. It outlives the blob itself.
	Number int `json:"no"`

	// Digest and Accepted say which blob was verified when. The signer's certificate
	// must be valid when a blob is taken, not for as long as it is used: it may run
	// out before the next blob is due, and has.
	Digest   string    `json:"sha256"`
	Accepted time.Time `json:"accepted"`
}

// lookAtFile reads the file if it has changed since it was last read. Whatever is
// wrong with it, the metadata in use stays. The caller has the turn.
func (s *Source) lookAtFile() error {
	defer s.loaded.Store(true)
	if s.cfg.File == "" {
		return nil
	}
	stamp, err := stampOf(s.cfg.File)
	if s.loaded.Load() && err == nil && stamp == s.file {
		return s.fileErr
	}
	s.file = stamp
	if err == nil {
		err = s.load()
	}
	if errors.Is(err, fs.ErrNotExist) && !s.cfg.Offline {
		s.recall() // the blob is gone, its number is not forgotten
		err = nil
	}
	if err != nil {
		s.cfg.Logger.Warn("mds: the metadata in the file is not used", "file", s.cfg.File, "error", err)
	}
	if err != nil {
		s.note(err)
	}
	s.fileErr = err
	return err
}

func stampOf(path string) (fileStamp, error) {
	info, err := os.Stat(path)
	if err != nil {
		return fileStamp{}, fileError("reading", err)
	}
	if !info.Mode().IsRegular() {
		return fileStamp{}, fmt.Errorf("mds: %s is not a regular file", filepath.Base(path))
	}
	return fileStamp{info.ModTime(), info.Size()}, nil
}

// load reads and verifies the file and puts its blob into use.
func (s *Source) load() error {
	known := s.recall()
	text, err := readFile(s.cfg.File, maxBlob)
	if err != nil {
		return err
	}
	at, digest := s.cfg.Now(), digestOf(text)
	if known.Digest == digest && known.Accepted.Before(at) {
		at = known.Accepted
	}
	b, err := s.parse(text, at, filepath.Base(s.cfg.File))
	if err != nil {
		return err
	}
	s.looked = at
	s.use(b, filepath.Base(s.cfg.File))
	s.failures, s.next = 0, time.Time{}
	s.note(nil)
	if s.cfg.Now().Before(b.NextUpdate) {
		s.next = s.nextLook()
	}
	if known.Digest != digest {
		if err := s.remember(context.Background(), b, digest, at); err != nil {
			s.cfg.Logger.Warn("mds: the number of the metadata cannot be remembered for the next start", "error", err)
		}
	}
	return nil
}

// recall reads what was remembered. A state that cannot be read is as good as
// none: the blob beside it still has its number.
func (s *Source) recall() (known memory) {
	text, err := readFile(s.cfg.File+".state", 4096)
	if err == nil {
		err = json.Unmarshal(text, &known)
	}
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			s.cfg.Logger.Warn("mds: the state beside the metadata cannot be read: an older blob would not be noticed", "error", err)
		}
		return memory{}
	}
	s.seen.Store(max(s.seen.Load(), int64(known.Number)))
	return known
}

// keep writes a blob that was fetched, unless another process has kept a newer
// one meanwhile.
func (s *Source) keep(ctx context.Context, text []byte, b *Blob, at time.Time) error {
	unlock, err := lock(ctx, s.cfg.File+".lock")
	if err != nil {
		return err
	}
	defer unlock()
	if s.recall().Number > b.Number {
		return nil // it is read at the next look
	}
	// The blob first: after a crash in between there is a newer blob than is
	// remembered, which is fine, rather than an older one, which would be refused.
	if err := replaceFile(s.cfg.File, text); err != nil {
		return err
	}
	s.file, err = stampOf(s.cfg.File)
	if err != nil {
		return err
	}
	return s.writeState(memory{b.Number, digestOf(text), at})
}

func (s *Source) remember(ctx context.Context, b *Blob, digest string, at time.Time) error {
	unlock, err := lock(ctx, s.cfg.File+".lock")
	if err != nil {
		return err
	}
	defer unlock()
	if s.recall().Number > b.Number {
		return nil
	}
	return s.writeState(memory{b.Number, digest, at})
}

func (s *Source) writeState(m memory) error {
	text, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("mds: writing the state: %v", err)
	}
	return replaceFile(s.cfg.File+".state", append(text, '\n'))
}

func digestOf(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

func readFile(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fileError("reading", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, fileError("reading", err)
	}
	if int64(len(text)) > limit {
		return nil, fmt.Errorf("mds: %s is longer than %d bytes", filepath.Base(path), limit)
	}
	return text, nil
}

// replaceFile puts a new file in the place of the old one: whoever reads sees one
// or the other, also after a crash.
func replaceFile(path string, text []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return fileError("writing", err)
	}
	_, err = f.Write(text)
	if err == nil {
		err = f.Chmod(0o644) // nothing in it is secret; other users' programs may share it
	}
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
		return fileError("writing", err)
	}
	return nil
}

// fileError keeps what a caller may look for and says the rest in our words.
func fileError(doing string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("mds: %s the metadata file: %w", doing, err)
	}
	return fmt.Errorf("mds: %s the metadata file: %v", doing, err)
}

// lockWait is how long another process may take to write a file.
const lockWait = 5 * time.Second

// lock keeps other processes from writing. It waits, for somebody else writes for
// milliseconds.
func lock(ctx context.Context, path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, fileError("locking", err)
	}
	ctx, cancel := context.WithTimeout(ctx, lockWait)
	defer cancel()
	for {
		taken, err := tryLock(f)
		if err != nil {
			f.Close()
			return nil, fmt.Errorf("mds: locking the metadata file: %v", err)
		}
		if taken {
			return func() { f.Close() }, nil // which ends the lock
		}
		select {
		case <-ctx.Done():
			f.Close()
			return nil, errors.New("mds: locking the metadata file: another process holds the lock")
		case <-time.After(10 * time.Millisecond):
		}
	}
}
