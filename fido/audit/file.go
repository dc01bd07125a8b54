package audit

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/mod/sumdb/note"
)

// ErrLocked says that another program has the log open.
var ErrLocked = errors.New("audit: the log is open elsewhere; one program writes a log at a time")

// OpenFile opens the log in the file at path, or starts one there (mode 0600).
// The newest checkpoint, signed by signer, is kept beside it, in a file of the
// same name with ".checkpoint" behind. signer must sign as Ed25519 does: the
// same text the same way.
//
// OpenFile verifies what is there and fails with a [*TamperError] rather than
// continue a log that is not what was written, and with [ErrLocked] when the
// file is open elsewhere. It follows no link to the log, and opens nothing that
// is not a regular file; folders on the way may be links.
//
// A crash may leave the last write unfinished. Such bytes are moved to a file
// beside the log (".torn-N" behind, N being the number of the record that was
// not finished), and a record of type "audit.recovered" says so. Never is a
// record moved that a checkpoint covers, or that is whole.
func OpenFile(path string, signer note.Signer, o Options) (*Log, error) {
	return openFile(path, signer, o, func(f *os.File) file { return f })
}

// file is what a log asks of an *os.File.
type file interface {
	io.ReaderAt
	io.WriterAt
	Stat() (os.FileInfo, error)
	Sync() error
	Truncate(size int64) error
	Close() error
}

func openFile(path string, signer note.Signer, o Options, wrap func(*os.File) file) (*Log, error) {
	if signer == nil {
		return nil, errors.New("audit: a log needs a signer")
	}
	f, err := openRegular(path, os.O_RDWR|os.O_CREATE)
	if err != nil {
		return nil, fmt.Errorf("audit: opening the log: %w", err)
	}
	s := &fileStore{path: path, f: wrap(f), lock: f}
	l := newLog(s, signer, o)
	if err = lockFile(f); err == nil {
		err = l.resume(s)
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return l, nil
}

// resume verifies the file and continues where it ends.
func (l *Log) resume(s *fileStore) error {
	info, err := s.f.Stat()
	if err != nil {
		return fmt.Errorf("audit: opening the log: %v", err)
	}
	signed, err := l.lastCheckpoint(s.path, info.Size())
	if err != nil {
		return err
	}
	v := newVerification(io.NewSectionReader(s.f, 0, info.Size()), signed)
	if err := v.run(); err != nil {
		return err
	}
	if err := s.settle(v); err != nil {
		return fmt.Errorf("audit: recovering the log: %w", err)
	}
	l.end = v.chain
	l.size, s.size = v.offset, v.offset
	if err := l.recordRecovery(s.path); err != nil {
		return err
	}
	_, err = l.Checkpoint(context.Background())
	return err
}

// lastCheckpoint returns the checkpoint beside the log: none for a new log.
func (l *Log) lastCheckpoint(path string, size int64) ([]checkpoint, error) {
	msg, err := readCheckpoint(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && size == 0:
		return nil, l.checkSigner()
	case errors.Is(err, fs.ErrNotExist):
		return nil, &TamperError{Kind: Unsigned, Detail: checkpointPath(path) + " is missing"}
	case err != nil:
		return nil, fmt.Errorf("audit: reading the checkpoint: %w", err)
	}
	text, _, _ := bytes.Cut(msg, []byte("\n\n"))
	c, err := parseCheckpoint(string(text) + "\n")
	if err != nil {
		return nil, &TamperError{Kind: Unsigned, Detail: fmt.Sprintf("%s: %v", checkpointPath(path), err)}
	}
	// A signer cannot verify, but it can sign again. What it signs here stays
	// here, and is a checkpoint with our own name on it.
	if c.origin != l.signer.Name() {
		return nil, &TamperError{Kind: Unsigned, Detail: fmt.Sprintf("%s speaks of the log %q, not of %q", checkpointPath(path), c.origin, l.signer.Name())}
	}
	again, err := c.sign(l.signer)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(again, msg) {
		return nil, &TamperError{Kind: Unsigned, Detail: checkpointPath(path) + " is not signed by the key of this log"}
	}
	return []checkpoint{c}, nil
}

// checkSigner makes sure that the log can be opened again: a checkpoint is
// recognised by signing it once more.
func (l *Log) checkSigner() error {
	empty := checkpoint{origin: l.signer.Name(), root: (&tree{}).root()}
	one, err := empty.sign(l.signer)
	if err != nil {
		return err
	}
	two, err := empty.sign(l.signer)
	if err != nil {
		return err
	}
	if !bytes.Equal(one, two) {
		return errors.New("audit: the signer signs the same text in different ways; a log needs one that does not, such as Ed25519")
	}
	return nil
}

// recordRecovery writes the record of a recovery, also of one that a second
// crash kept from being recorded.
func (l *Log) recordRecovery(path string) error {
	torn := tornPath(path, l.end.tree.size+1)
	f, err := openRegular(torn, os.O_RDONLY)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("audit: recovering the log: %w", err)
	}
	defer f.Close()
	sum := sha256.New()
	n, err := io.Copy(sum, f)
	if err != nil {
		return fmt.Errorf("audit: recovering the log: %w", err)
	}
	return l.Append(context.Background(), Event{
		Type: typeRecovered, Outcome: OK,
		Reason: fmt.Sprintf("%d bytes of an unfinished write (SHA-256 %x) were moved to %s", n, sum.Sum(nil), filepath.Base(torn)),
	})
}

// fileStore is a log in a file, with its checkpoint beside it.
type fileStore struct {
	path string
	f    file
	lock *os.File // what f wraps
	size int64
}

func checkpointPath(path string) string { return path + ".checkpoint" }

func tornPath(path string, record uint64) string { return fmt.Sprintf("%s.torn-%d", path, record) }

func readCheckpoint(path string) ([]byte, error) {
	f, err := openFollowing(checkpointPath(path))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxCheckpoint+1))
}

func (s *fileStore) ReadAt(p []byte, off int64) (int, error) { return s.f.ReadAt(p, off) }

// close gives the lock back before the file: a child process that is being started
// holds the file for a moment longer than we do, and with it the lock.
func (s *fileStore) close() error {
	unlockFile(s.lock)
	return s.f.Close()
}

// append writes p behind the log. A record that went to a file which is no
// longer the log, because somebody moved or removed it, is not recorded; and a
// file that has grown or shrunk meanwhile was written by somebody else.
func (s *fileStore) append(p []byte) error {
	info, err := s.f.Stat()
	if err != nil {
		return err
	}
	if info.Size() != s.size {
		return fmt.Errorf("%s has %d bytes, and %d were written: something else changed it", s.path, info.Size(), s.size)
	}
	if named, err := os.Lstat(s.path); err != nil || !os.SameFile(named, info) {
		return fmt.Errorf("%s was moved or removed", s.path)
	}
	if _, err := s.f.WriteAt(p, s.size); err != nil {
		return err
	}
	if err := s.f.Sync(); err != nil {
		return err
	}
	s.size += int64(len(p))
	return nil
}

func (s *fileStore) replaceCheckpoint(msg []byte) error {
	return replaceFile(checkpointPath(s.path), bytes.NewReader(msg))
}

// settle makes the file end with its last whole record, and makes that durable.
func (s *fileStore) settle(v *verification) error {
	if v.unfinished > 0 {
		torn := io.NewSectionReader(s.f, v.offset, v.unfinished)
		// First a copy, durably: the next opening finds it and records it even
		// if this one gets no further.
		if err := s.setAside(tornPath(s.path, v.tree.size+1), torn); err != nil {
			return err
		}
		if err := s.f.Truncate(v.offset); err != nil {
			return err
		}
	}
	// After a failed fsync the system may take pages for written that are not,
	// and a later fsync skips them. Records without a checkpoint may be on such
	// pages: write them again.
	// https://wiki.postgresql.org/wiki/Fsync_Errors
	buf := make([]byte, 64<<10)
	for off := v.agreedOffset; off < v.offset; {
		n, err := s.f.ReadAt(buf[:min(int64(len(buf)), v.offset-off)], off)
		if n == 0 {
			return err
		}
		if _, err := s.f.WriteAt(buf[:n], off); err != nil {
			return err
		}
		off += int64(n)
	}
	return s.f.Sync()
}

// setAside adds torn to the file at path, where an opening that a crash ended
// may have left bytes before.
func (s *fileStore) setAside(path string, torn io.Reader) error {
	before, err := openRegular(path, os.O_RDONLY)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return replaceFile(path, torn)
	case err != nil:
		return err
	}
	defer before.Close()
	return replaceFile(path, io.MultiReader(before, torn))
}
