package authenticatortest

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lakekey/lakekey/authenticator"
)

// Port is where a key is plugged in.
type Port struct {
	Path string // of the device node

	node string // what Path leads to
	host *os.File
	far  int // the node itself, held open so that the key does not see programs come and go
	once sync.Once
}

// Plug serves a key until the test ends, as CTAPHID frames on a pseudo-terminal in raw
// mode (CTAP 2.1 §11.2). A nil key is one that never answers.
func Plug(t testing.TB, key authenticator.Transport) *Port {
	t.Helper()
	p := newPort(t)
	if key != nil {
		go serve(p.host, key)
	}
	return p
}

// Unplug takes the key away, whatever it is doing.
func (p *Port) Unplug() {
	p.once.Do(func() {
		os.Remove(p.Path)
		p.host.Close()
		unix.Close(p.far)
	})
}

// newPort returns a port with a name of its own: the number of a pseudo-terminal that
// is closed goes to the next one, and a key that is gone must not come back as another.
func newPort(t testing.TB) *Port {
	t.Helper()
	p, err := openPort()
	must(t, err)
	t.Cleanup(p.Unplug)
	p.Path = filepath.Join(t.TempDir(), "key")
	must(t, os.Symlink(p.node, p.Path))
	return p
}

func openPort() (*Port, error) {
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	host := os.NewFile(uintptr(fd), "ptmx")
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)
	}
	if err != nil {
		host.Close()
		return nil, err
	}
	path := fmt.Sprintf("/dev/pts/%d", n)
	far, err := unix.Open(path, unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		host.Close()
		return nil, err
	}
	// Raw, and VMIN such that a poll waits for a whole frame.
	state := &unix.Termios{Cflag: unix.CS8 | unix.CREAD}
	state.Cc[unix.VMIN] = frameSize
	if err := unix.IoctlSetTermios(far, unix.TCSETS, state); err != nil {
		host.Close()
		unix.Close(far)
		return nil, err
	}
	return &Port{node: path, host: host, far: far}, nil
}

const (
	frameSize  = 64
	commandBit = 0x80

	hidPing      = 0x01
	hidInit      = 0x06
	hidWink      = 0x08
	hidCBOR      = 0x10
	hidCancel    = 0x11
	hidKeepalive = 0x3B
	hidError     = 0x3F

	broadcast = 0xFFFFFFFF
)

// server is the key's side of CTAPHID.
type server struct {
	rw  io.ReadWriter
	key authenticator.Transport

	mu      sync.Mutex
	busy    bool
	dropped bool               // nobody waits for the answer any more
	channel uint32             // that of the command under way
	cancel  context.CancelFunc // ends it
}

func (s *server) send(channel uint32, command byte, data []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	frame := make([]byte, frameSize)
	binary.BigEndian.PutUint32(frame, channel)
	frame[4] = command | commandBit
	binary.BigEndian.PutUint16(frame[5:], uint16(len(data)))
	sent := copy(frame[7:], data)
	_, _ = s.rw.Write(frame)
	for sequence := byte(0); sent < len(data); sequence++ {
		clear(frame[4:])
		frame[4] = sequence
		sent += copy(frame[5:], data[sent:])
		_, _ = s.rw.Write(frame)
	}
}

// serve reads frames, each after the number of its report, until the port is closed.
func serve(rw io.ReadWriter, key authenticator.Transport) {
	s := &server{rw: rw, key: key}
	defer s.stop(0)
	type message struct {
		command byte
		want    int
		data    []byte
	}
	open := map[uint32]*message{}
	report := make([]byte, 1+frameSize)
	next := uint32(1)
	for {
		if _, err := io.ReadFull(rw, report); err != nil {
			return
		}
		frame := report[1:]
		channel := binary.BigEndian.Uint32(frame)
		if frame[4] == hidCancel|commandBit {
			s.stop(channel) // also between two frames of a message, which it does not end
			continue
		}
		m := open[channel]
		if frame[4]&commandBit != 0 {
			m = &message{command: frame[4] &^ commandBit, want: int(binary.BigEndian.Uint16(frame[5:])), data: append([]byte(nil), frame[7:]...)}
			open[channel] = m
		} else if m != nil {
			m.data = append(m.data, frame[5:]...)
		}
		if m == nil || len(m.data) < m.want {
			continue
		}
		delete(open, channel)
		data := m.data[:m.want]
		switch {
		case m.command == hidInit && len(data) == 8:
			answer := append([]byte(nil), data...)
			if channel == broadcast {
				answer = binary.BigEndian.AppendUint32(answer, next)
				next++
			} else {
				s.drop(channel)
				answer = binary.BigEndian.AppendUint32(answer, channel)
			}
			s.send(channel, hidInit, append(answer, 2, 1, 0, 0, 0x0D)) // version, device version, WINK|CBOR|NMSG
		case m.command == hidPing, m.command == hidWink:
			s.send(channel, m.command, data)
		case m.command == hidCBOR:
			s.begin(channel, data)
		default:
			s.send(channel, hidError, []byte{0x01}) // invalid command
		}
	}
}

// stop ends the command of a channel, if it is under way; 0 stands for any channel.
func (s *server) stop(channel uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.busy && (channel == 0 || s.channel == channel) {
		s.cancel()
	}
}

// drop ends the command of a channel without an answer: with INIT, "the device will …
// abort the current transaction" (§11.2.9.1.3).
func (s *server) drop(channel uint32) {
	s.stop(channel)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dropped = s.dropped || s.busy && s.channel == channel
}

// begin runs one command, of one channel, with a keepalive every 100 ms.
func (s *server) begin(channel uint32, msg []byte) {
	s.mu.Lock()
	if s.busy {
		s.mu.Unlock()
		s.send(channel, hidError, []byte{0x06}) // channel busy
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.busy, s.dropped, s.channel, s.cancel = true, false, channel, cancel
	s.mu.Unlock()
	go func() {
		defer cancel()
		answered := make(chan []byte, 1)
		go func() {
			response, err := s.key.CBOR(ctx, msg)
			if err != nil {
				response = []byte{0x2D} // keepalive cancel
			}
			answered <- response
		}()
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				if !s.isDropped() {
					s.send(channel, hidKeepalive, []byte{2}) // user presence needed
				}
			case response := <-answered:
				s.mu.Lock()
				s.busy = false
				dropped := s.dropped
				s.mu.Unlock()
				if !dropped {
					s.send(channel, hidCBOR, response)
				}
				return
			}
		}
	}()
}

func (s *server) isDropped() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dropped
}
