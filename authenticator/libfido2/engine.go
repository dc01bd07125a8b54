//go:build libfido2 && cgo && (linux || darwin) && !386 && !arm && !mips && !mipsle

package libfido2

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	gofido "github.com/keys-pub/go-libfido2"

	"github.com/lakekey/lakekey/authenticator"
	"github.com/lakekey/lakekey/authenticator/internal/label"
)

// engine is the backend over go-libfido2.
type engine struct {
	limits limits

	mu    sync.Mutex
	lines map[string]*line
}

// limits bound what libfido2 leaves unbounded.
type limits struct {
	answer time.Duration // for a command that waits for nobody
	grace  time.Duration // for the call to end after it was cancelled
	drain  time.Duration // for a call that was given up, before the path counts as dead
	poll   time.Duration // between two cancellations, and two looks at a busy key
}

// silence replaces go-libfido2's logger, once in a process: it writes to standard
// error.
var silence = sync.OnceFunc(func() { gofido.SetLogger(mute{}) })

type mute struct{}

func (mute) Debugf(string, ...any)   {}
func (mute) Infof(string, ...any)    {}
func (mute) Warningf(string, ...any) {}
func (mute) Errorf(string, ...any)   {}
func (mute) Fatalf(string, ...any)   {}

func newBackend() (backend, error) {
	silence()
	return &engine{
		limits: limits{answer: 5 * time.Second, grace: 90 * time.Millisecond, drain: 2 * time.Second, poll: 50 * time.Millisecond},
		lines:  make(map[string]*line),
	}, nil
}

// devices asks libfido2 on a goroutine of its own, since that reads from every HID
// node and knows no ctx.
func (e *engine) devices(ctx context.Context) ([]authenticator.Device, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("libfido2: %w", err)
	}
	type outcome struct {
		found []*gofido.DeviceLocation
		err   error
	}
	done := make(chan outcome, 1)
	go func() {
		found, err := gofido.DeviceLocations()
		done <- outcome{found, err}
	}()
	select {
	case o := <-done:
		if o.err != nil {
			return nil, fmt.Errorf("libfido2: listing keys: %v", o.err)
		}
		var devices []authenticator.Device
		for _, at := range o.found {
			if at != nil && at.Path != "" {
				devices = append(devices, e.device(at.Path, at))
			}
		}
		return devices, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("libfido2: listing keys: %w", ctx.Err())
	}
}

func (e *engine) open(path string) (authenticator.Device, error) {
	if path == "" || strings.ContainsRune(path, 0) {
		return nil, errors.New("libfido2: that is no path of a key")
	}
	return e.device(path, &gofido.DeviceLocation{}), nil
}

func (e *engine) device(path string, at *gofido.DeviceLocation) *device {
	transport := "usb"
	if strings.HasPrefix(path, "nfc:") || strings.HasPrefix(path, "pcsc:") {
		transport = "nfc"
	}
	product := label.Of(at.Product)
	if product == "" {
		product = label.Of(at.Manufacturer)
	}
	return &device{line: e.line(path), descriptor: authenticator.Descriptor{
		Transport: transport,
		Path:      path,
		Product:   product,
		VendorID:  uint16(at.VendorID), // go-libfido2 has them signed: 0xF1D0 arrives as -3632
		ProductID: uint16(at.ProductID),
	}}
}

// line returns the one line to a path, which all devices there share.
func (e *engine) line(path string) *line {
	e.mu.Lock()
	defer e.mu.Unlock()
	l, known := e.lines[path]
	if !known || l.retired.Load() {
		l = &line{path: path, limits: e.limits, turn: make(chan struct{}, 1)}
		e.lines[path] = l
	}
	return l
}
