package audit

import (
	"io"
	"sync"

	"golang.org/x/mod/sumdb/note"
)

// NewMemory returns a log that is kept in memory and gone when the program
// ends: for tests, and for trying things out.
func NewMemory(signer note.Signer, o Options) *Log {
	l := newLog(&memory{}, signer, o)
	l.inline = true
	return l
}

// chunkSize is how much of a log in memory lies in one piece. A single slice
// would be copied whole whenever it has to grow.
const chunkSize = 64 << 10

// memory keeps the bytes in chunks, all but the last of them full.
type memory struct {
	mu     sync.Mutex
	chunks [][]byte
}

func (m *memory) append(p []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for len(p) > 0 {
		last := len(m.chunks) - 1
		if last < 0 || len(m.chunks[last]) == chunkSize {
			m.chunks = append(m.chunks, make([]byte, 0, chunkSize))
			last++
		}
		n := min(len(p), chunkSize-len(m.chunks[last]))
		m.chunks[last] = append(m.chunks[last], p[:n]...)
		p = p[n:]
	}
	return nil
}

func (m *memory) ReadAt(p []byte, off int64) (n int, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for n < len(p) {
		at := off + int64(n)
		k := at / chunkSize
		if k >= int64(len(m.chunks)) || at%chunkSize >= int64(len(m.chunks[k])) {
			return n, io.EOF
		}
		n += copy(p[n:], m.chunks[k][at%chunkSize:])
	}
	return n, nil
}

func (*memory) replaceCheckpoint([]byte) error { return nil }

func (*memory) close() error { return nil }
