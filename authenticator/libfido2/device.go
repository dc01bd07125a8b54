//go:build libfido2 && cgo && (linux || darwin) && !386 && !arm && !mips && !mipsle

package libfido2

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"sync/atomic"
	"time"

	gofido "github.com/keys-pub/go-libfido2"

	"github.com/lakekey/lakekey/authenticator"
)

// device is a key. Nothing of it is open between two operations.
type device struct {
	line       *line
	descriptor authenticator.Descriptor
	closed     atomic.Bool
}

func (d *device) Descriptor() authenticator.Descriptor { return d.descriptor }

// Close has nothing to release.
func (d *device) Close() error {
	d.closed.Store(true)
	return nil
}

// begin starts an operation, of which one waits for a person or for nobody.
func (d *device) begin(ctx context.Context, start func(*line, context.Context) (*operation, error)) (*operation, error) {
	if d.closed.Load() {
		return nil, errors.New("libfido2: the key is closed")
	}
	return start(d.line, ctx)
}

func (d *device) Info(ctx context.Context) (*authenticator.Info, error) {
	o, err := d.begin(ctx, (*line).begin)
	if err != nil {
		return nil, err
	}
	defer o.end()
	found, err := call(ctx, o, d.line.limits.answer, (*gofido.Device).Info)
	if errors.Is(err, errNotFIDO2) {
		d.line.alive = true // it said so
		return &authenticator.Info{Versions: []string{"U2F_V2"}, RemainingCredentials: -1}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading device info: %w", err)
	}
	if len(found.Versions) == 0 || len(found.AAGUID) != 16 {
		return nil, fmt.Errorf("reading device info: %w", codeInvalidCBOR)
	}
	info := &authenticator.Info{
		Versions:             found.Versions,
		Extensions:           found.Extensions,
		AAGUID:               [16]byte(found.AAGUID),
		Options:              make(map[string]bool, len(found.Options)),
		RemainingCredentials: -1,
	}
	for _, option := range found.Options {
		info.Options[option.Name] = option.Value == gofido.True
	}
	delete(info.Options, "largeBlobs") // which go-libfido2 cannot reach: nobody is to rely on them
	for _, p := range found.Protocols {
		info.PINProtocols = append(info.PINProtocols, int(p))
	}
	return info, nil
}

func (d *device) Select(ctx context.Context) error {
	o, err := d.begin(ctx, (*line).beginTouch)
	if err != nil {
		return err
	}
	defer o.end()
	return o.touch(ctx)
}

func (d *device) PINRetries(ctx context.Context) (authenticator.PINState, error) {
	o, err := d.begin(ctx, (*line).begin)
	if err != nil {
		return authenticator.PINState{}, err
	}
	defer o.end()
	n, err := o.retries(ctx)
	if err != nil {
		return authenticator.PINState{}, fmt.Errorf("reading PIN retries: %w", err)
	}
	return authenticator.PINState{Retries: n}, nil
}

func (o *operation) retries(ctx context.Context) (int, error) {
	n, err := call(ctx, o, o.line.limits.answer, (*gofido.Device).RetryCount)
	if err != nil {
		return 0, err
	}
	if n < 0 {
		return 0, codeInvalidCBOR
	}
	return n, nil
}

// maxTouch ends a wait that nothing else ended: a little more than a key waits.
const maxTouch = 35 * time.Second

// touch makes the key blink until it is touched.
func (o *operation) touch(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go o.line.watch(ctx, cancel)
	_, err := call(ctx, o, 0, func(dev *gofido.Device) (struct{}, error) {
		_, err := gofido.SelectDevice([]*gofido.Device{dev}, maxTouch)
		return struct{}{}, err
	})
	var own authenticator.Status
	switch {
	case err == nil:
		return nil
	case errors.Is(context.Cause(ctx), ErrRemoved):
		// The call goes on, with a node that is no more: not our next key's.
		o.line.retired.Store(o.gone)
		err = context.Cause(ctx)
	case ctx.Err() != nil, errors.Is(err, ErrNotResponding), errors.As(err, &own):
	default: // SelectDevice keeps its errors to itself
		o.line.alive = false
		if _, err = held(o.line.path); err == nil {
			err = errNoTouch
		}
	}
	return fmt.Errorf("waiting for a touch: %w", err)
}

var errNoTouch = errors.New("libfido2: the key was not touched in time, or refused")

// watch ends a wait for a touch when the key is unplugged, which SelectDevice takes
// for a key that was not touched yet.
func (l *line) watch(ctx context.Context, unplugged context.CancelCauseFunc) {
	if !strings.HasPrefix(l.path, "/") {
		return // no node
	}
	look := time.NewTicker(l.limits.poll)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-look.C:
			if _, err := os.Lstat(l.path); errors.Is(err, fs.ErrNotExist) {
				unplugged(fmt.Errorf("%w: %s", ErrRemoved, l.path))
				return
			}
		}
	}
}
