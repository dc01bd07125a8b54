package softkey

import (
	"context"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

// Port is where a key is plugged in: programs reach it as CTAPHID there. Make one with
// [Key.Plug], [Key.PlugPTY] or [Key.PlugUHID].
type Port struct {
	key      *Key
	path     string
	line     line
	fault    atomic.Int32
	winks    atomic.Int64
	stop     context.CancelFunc
	ended    chan struct{} // closed when nothing runs any more
	commands sync.WaitGroup

	mu      sync.Mutex // a message is written as a whole
	running atomic.Pointer[transaction]
}

// transaction is a CTAP2 command under way.
type transaction struct {
	channel uint32
	cancel  context.CancelFunc
}

// line carries reports.
type line interface {
	// read returns the next report from the host, without its report number. It is
	// valid until the next read.
	read() ([]byte, error)
	write(report []byte) error
	// discard drops reports that the host did not take, as the kernel does when no
	// program has the device open.
	discard()
	close() error
}

// Plug plugs the key in at the other end of rw: reports of 65 bytes, the first of them
// 0, come from the host, as a program writes them to hidraw; reports of 64 bytes go to
// it. Plugging in is a power cycle. The Port closes rw.
func (k *Key) Plug(rw io.ReadWriteCloser) (*Port, error) {
	return k.plug("", &stream{rw: rw})
}

func (k *Key) plug(path string, l line) (*Port, error) {
	if err := k.PowerCycle(); err != nil {
		_ = l.close() // the other error says more
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	p := &Port{key: k, path: path, line: l, stop: stop, ended: make(chan struct{})}
	go func() {
		defer close(p.ended)
		p.serve(ctx)
		stop()
		p.commands.Wait()
	}()
	return p, nil
}

// Path is where programs open the key; "" for a key that was plugged in with Plug.
func (p *Port) Path() string { return p.path }

// SetFault changes what is wrong with the line, from the next report on.
func (p *Port) SetFault(f Fault) { p.fault.Store(int32(f)) }

// Winks returns how many times the key was asked to catch the eye.
func (p *Port) Winks() int { return int(p.winks.Load()) }

// Done is closed when the key is no longer plugged in, because of Unplug, or since the
// line ended.
func (p *Port) Done() <-chan struct{} { return p.ended }

// Unplug pulls the key out, whatever it is doing, and returns when nothing of the Port
// is left running. The Key can be plugged in again.
func (p *Port) Unplug() error {
	p.stop()
	err := p.line.close()
	<-p.ended
	return err
}

func (p *Port) has(f Fault) bool { return Fault(p.fault.Load()) == f }

// keepalivePeriod: "a KEEPALIVE … at least every 100 ms" (§11.2.9.1.7).
const keepalivePeriod = 100 * time.Millisecond

// run executes a CTAP2 command and answers it.
func (p *Port) run(ctx context.Context, t *transaction, msg []byte) {
	var waiting atomic.Bool
	ctx = withPresence(ctx, func(begin bool) {
		waiting.Store(begin)
		if begin && p.has(UnplugForTouch) {
			p.stop()
			_ = p.line.close() // that it was pulled out is all there is to report
		}
	})
	answer := make(chan []byte, 1)
	go func() {
		response, err := p.key.CBOR(ctx, msg)
		clear(msg)
		if err != nil {
			response = []byte{byte(errKeepaliveCancel)}
		}
		answer <- response
	}()
	ticker := time.NewTicker(keepalivePeriod)
	defer ticker.Stop()
	for {
		select {
		case response := <-answer:
			if p.has(GarbageCBOR) {
				response = []byte{byte(ok), 0xFF, 0xFF, 0xFF}
			}
			p.running.Store(nil) // the host may give the next command once it has this answer
			p.answer(t.channel, cmdHIDCBOR, response)
			clear(response)
			t.cancel()
			return
		case <-ticker.C:
			p.keepalive(t.channel, waiting.Load())
		}
	}
}

func (p *Port) keepalive(channel uint32, waiting bool) {
	state := byte(keepaliveProcessing)
	if waiting {
		state = keepaliveTouch
	}
	p.answer(channel, cmdHIDKeepalive, []byte{state})
}

// flood is [Flood].
func (p *Port) flood(ctx context.Context, t *transaction) {
	for ctx.Err() == nil && p.has(Flood) {
		p.keepalive(t.channel, true)
	}
	p.running.Store(nil)
	t.cancel()
}

// stream is a line over bytes.
type stream struct {
	rw    io.ReadWriteCloser
	in    [1 + reportSize]byte
	flush func() // nil: nothing to flush
	also  io.Closer
	once  sync.Once
	err   error
}

func (s *stream) read() ([]byte, error) {
	if _, err := io.ReadFull(s.rw, s.in[:]); err != nil {
		return nil, err
	}
	return s.in[1:], nil
}

func (s *stream) write(report []byte) error {
	_, err := s.rw.Write(report)
	return err
}

func (s *stream) discard() {
	if s.flush != nil {
		s.flush()
	}
}

func (s *stream) close() error {
	s.once.Do(func() {
		s.err = s.rw.Close()
		if s.also != nil {
			_ = s.also.Close() // a descriptor held open and never used
		}
	})
	return s.err
}
