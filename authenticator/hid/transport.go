package hid

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// errClosed is the leaf of calls after Close.
var errClosed = errors.New("hid: the key is closed")

// Properties is what a key says about its CTAPHID interface (CTAP 2.1 §11.2.9.1.3).
type Properties struct {
	Protocol byte    // of CTAPHID; 2
	Version  [3]byte // of the key: major, minor, build
	Wink     bool    // it can catch the eye
	CTAP2    bool    // it takes CBOR messages
	U2F      bool    // it takes CTAP1 messages
}

// Transport is an open key. It implements authenticator.U2FTransport and is safe
// for concurrent use. While it is open no other program that honours the lock of libfido2
// can use the key.
type Transport struct {
	node       *node
	properties Properties
	turn       chan struct{} // holds a token while a command runs or is being cancelled
	closing    chan struct{} // closed when Close begins
	close      func() error

	mu      sync.Mutex
	current *pending // whose caller may interrupt the node

	// Below is used only by the holder of turn.
	in      assembler
	inBuf   []byte // one report from the key
	outBuf  []byte // report number 0 and one report to the key
	message []byte // the message being sent: its owner may be gone before it is
	channel uint32 // broadcast: none is allocated yet
	stale   bool   // the key may be in a transaction that we gave up
}

// Open opens the key at path, /dev/hidraw0 for instance, or whatever else speaks
// CTAPHID in 64-byte reports at a path, a pseudo-terminal for instance. It waits while
// another program has the key.
//
// Errors: [ErrRemoved] if nothing is there, [*PermissionError], [*BusyError] once ctx
// is done, [ErrNotResponding], [ErrMalformed] and the errors of ctx.
func Open(ctx context.Context, path string) (*Transport, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("hid: %w", err)
	}
	n, err := openNode(ctx, path)
	if err != nil {
		return nil, err
	}
	t := &Transport{
		node: n, channel: broadcast, stale: true,
		turn: make(chan struct{}, 1), closing: make(chan struct{}),
		inBuf: make([]byte, n.in), outBuf: make([]byte, 1+n.out),
	}
	t.close = sync.OnceValue(t.shut)
	if _, err := t.call(ctx, cmdNone, nil); err != nil {
		// A write to hardware that hangs cannot be interrupted: it must not keep a caller
		// who is out of time.
		go t.close()
		return nil, fmt.Errorf("opening %s: %w", path, err)
	}
	return t, nil
}

// Properties returns what the key said when it was opened.
func (t *Transport) Properties() Properties { return t.properties }

// CBOR sends a CTAP2 command and returns the key's answer, its status byte included.
// A key that knows only U2F is not asked: the answer is CTAP1_ERR_INVALID_COMMAND.
//
// When ctx is done, CBOR returns at once with its error and the key is told to cancel;
// the next call waits, up to two seconds, until the key has done so.
func (t *Transport) CBOR(ctx context.Context, msg []byte) ([]byte, error) {
	if !t.properties.CTAP2 {
		return []byte{byte(codeInvalidCommand)}, nil
	}
	return t.call(ctx, cmdCBOR, msg)
}

// MSG sends a CTAP1 (U2F) request, an APDU of extended length, and returns the answer,
// its two status bytes included. Keys that know only CTAP2 answer with [Error] 0x01.
func (t *Transport) MSG(ctx context.Context, apdu []byte) ([]byte, error) {
	return t.call(ctx, cmdMessage, apdu)
}

// Ping sends data and returns what the key echoes.
func (t *Transport) Ping(ctx context.Context, data []byte) ([]byte, error) {
	return t.call(ctx, cmdPing, data)
}

// Wink asks the key to catch the person's eye. Keys that cannot answer with [Error] 0x01.
func (t *Transport) Wink(ctx context.Context) error {
	_, err := t.call(ctx, cmdWink, nil)
	return err
}

// Lock reserves the key for this Transport for d, at most ten seconds and in whole
// seconds; 0 ends that. Keys that cannot answer with [Error] 0x01.
func (t *Transport) Lock(ctx context.Context, d time.Duration) error {
	if d < 0 || d > 10*time.Second {
		return fmt.Errorf("hid: a key can be locked for up to 10 s, not for %v", d)
	}
	seconds := (d + time.Second - 1) / time.Second
	_, err := t.call(ctx, cmdLock, []byte{byte(seconds)})
	return err
}

// Close gives the key back. A command under way is cancelled and ends with an error; a
// key that does not acknowledge that within two seconds is left as it is.
func (t *Transport) Close() error { return t.close() }

func (t *Transport) shut() error {
	close(t.closing)
	t.mu.Lock()
	if t.current != nil {
		t.node.interrupt()
	}
	t.mu.Unlock()
	t.turn <- struct{}{} // never given back
	return t.node.close()
}
