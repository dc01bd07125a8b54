package authenticatortest

import (
	"io"
	"sync/atomic"
	"testing"

	"github.com/lakekey/lakekey/authenticator"
)

// filter sees every frame on its way, those of the key and those for it. What it returns
// is carried on instead, nothing if it is empty.
type filter func(fromKey bool, frame []byte) []byte

// plugThrough is Plug with a filter on the line, which may unplug the key.
func plugThrough(t testing.TB, key authenticator.Transport, make func(*Port) filter) *Port {
	t.Helper()
	p := newPort(t)
	go serve(&filtered{rw: p.host, filter: make(p)}, key)
	return p
}

// filtered is a line with a filter. It is read in whole reports.
type filtered struct {
	rw     io.ReadWriter
	filter filter
}

func (f *filtered) Read(report []byte) (int, error) {
	for {
		n, err := io.ReadFull(f.rw, report)
		if err != nil {
			return n, err
		}
		// The number of the report stays in front.
		if kept := f.filter(false, report[1:n]); len(kept) > 0 {
			return 1 + copy(report[1:], kept), nil
		}
	}
}

func (f *filtered) Write(frame []byte) (int, error) {
	if out := f.filter(true, append([]byte(nil), frame...)); len(out) > 0 {
		if _, err := f.rw.Write(out); err != nil {
			return 0, err
		}
	}
	return len(frame), nil
}

// atFrame does something when frame n, counted from 0, is on its way; that frame goes on
// if do says so, and those before and after it always do.
type atFrame struct {
	n     int64
	do    func() (carryOn bool)
	seen  atomic.Int64
	shown atomic.Bool // the armed filter counts, so that a test can prepare the key before
}

func (a *atFrame) filter(_ bool, frame []byte) []byte {
	if !a.shown.Load() || a.seen.Add(1) != a.n+1 || a.do() {
		return frame
	}
	return nil
}

func (a *atFrame) arm()          { a.shown.Store(true) }
func (a *atFrame) reached() bool { return a.seen.Load() > a.n }
