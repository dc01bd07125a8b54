package sqlitedb

import (
	"errors"
	"fmt"
	"os"
	"sync"
)

// disk makes commits durable.
//
// With synchronous=FULL, SQLite flushes the write-ahead log at the end of every
// commit, while it holds the write lock: commits that arrive together wait for
// one flush each. With NORMAL it leaves that out, and is otherwise as careful: it
// flushes what a checkpoint or a restart of the log relies on. So the database
// runs with NORMAL, and after a commit, with the lock released, disk flushes the
// log itself, once for all who wait.
//
// https://www.sqlite.org/pragma.html#pragma_synchronous
type disk struct {
	log *os.File

	mu       sync.Mutex
	turned   *sync.Cond
	commits  uint64 // how many there were
	durable  uint64 // how many of them are on disk
	flushing bool
	failed   error
}

// openDisk opens the write-ahead log, which SQLite has made. No lock is ever
// taken on that file, so that closing this handle loses none of SQLite's.
func openDisk(path string) (*disk, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, fmt.Errorf("sqlitedb: opening the journal: %v", err)
	}
	d := &disk{log: f}
	d.turned = sync.NewCond(&d.mu)
	return d, nil
}

// committed counts a commit and returns its number. Its caller has the right to
// write, so that the numbers are in the order of the log.
func (d *disk) committed() uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.commits++
	return d.commits
}

// sync returns when the commit is on disk. After a flush that failed, nobody
// knows what is: then nothing more is confirmed until the file is opened again.
func (d *disk) sync(commit uint64) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for d.durable < commit && d.failed == nil {
		if d.flushing {
			d.turned.Wait()
			continue
		}
		d.flushing = true
		upTo := d.commits
		d.mu.Unlock()
		err := flush(d.log)
		d.mu.Lock()
		d.flushing = false
		if err != nil {
			d.failed = fmt.Errorf("sqlitedb: flushing the journal: %v", err)
		} else {
			d.durable = upTo
		}
		d.turned.Broadcast()
	}
	return d.failed
}

func (d *disk) close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for d.flushing {
		d.turned.Wait()
	}
	if d.failed == nil {
		d.failed = errors.New("sqlitedb: the database is closed")
	}
	return d.log.Close()
}
