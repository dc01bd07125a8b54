package authenticator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// ceremony is one Create or Get under way.
type ceremony struct {
	ui     UI
	log    *slog.Logger
	keys   Source
	origin *origin
	rpID   string
	create bool
}

// lookAgain is how often a UI that returns from Insert at once makes us look for
// keys.
const lookAgain = 100 * time.Millisecond

// device returns the key to use: the only one there is, or the one that is touched.
func (c *ceremony) device(ctx context.Context) (Device, error) {
	devices, err := c.plugged(ctx)
	if err != nil {
		return nil, err
	}
	if len(devices) == 1 {
		return devices[0], nil
	}
	done, err := c.prompt(ctx, devices, verification{}, true)
	if err != nil {
		return nil, err
	}
	defer done()
	return selectDevice(ctx, devices)
}

// plugged waits until there is a key.
func (c *ceremony) plugged(ctx context.Context) ([]Device, error) {
	for {
		devices, err := c.keys.Devices(ctx)
		if err != nil {
			return nil, fmt.Errorf("listing keys: %w", err)
		}
		if len(devices) > 0 {
			return devices, nil
		}
		if c.ui == nil {
			return nil, ErrNoDevice
		}
		if err := c.ui.Insert(ctx); err != nil {
			return nil, fmt.Errorf("waiting for a key: %w", err)
		}
		select {
		case <-time.After(lookAgain):
		case <-ctx.Done():
			return nil, fmt.Errorf("waiting for a key: %w", ctx.Err())
		}
	}
}

// selectDevice lets every key blink and returns the one that is touched. It leaves
// no key waiting: the others are cancelled, and have answered, when it returns.
func selectDevice(ctx context.Context, devices []Device) (Device, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type outcome struct {
		device Device
		err    error
	}
	outcomes := make(chan outcome, len(devices))
	for _, d := range devices {
		go func() { outcomes <- outcome{d, d.Select(ctx)} }()
	}
	var chosen Device
	var failed []error
	for range devices {
		o := <-outcomes
		switch {
		case o.err != nil && chosen == nil:
			failed = append(failed, o.err)
		case o.err == nil && chosen == nil:
			chosen = o.device
			cancel()
		}
	}
	if chosen != nil {
		return chosen, nil
	}
	return nil, fmt.Errorf("choosing a key: %w", errors.Join(failed...))
}

// prompt tells the person which keys wait for what. The returned function is never
// nil.
func (c *ceremony) prompt(ctx context.Context, devices []Device, v verification, choose bool) (func(), error) {
	if c.ui == nil {
		return func() {}, nil
	}
	p := Prompt{RPID: c.rpID, Origin: c.origin.serialized, Create: c.create, Select: choose}
	for _, d := range devices {
		p.Devices = append(p.Devices, d.Descriptor())
	}
	show := c.ui.Touch
	if v.builtIn {
		show = c.ui.Verify
	}
	done, err := show(ctx, p)
	if err != nil {
		return nil, fmt.Errorf("prompting: %w", err)
	}
	if done == nil {
		done = func() {}
	}
	return done, nil
}

// run verifies the user as planned and runs op while the person is prompted. The PIN
// is overwritten whatever happens.
func (c *ceremony) run(ctx context.Context, device Device, info *Info, v verification, op func(pin []byte) error) error {
	var pin []byte
	if v.pin {
		var err error
		if pin, err = c.askPIN(ctx, device, info); err != nil {
			return err
		}
		defer clear(pin)
	}
	done, err := c.prompt(ctx, []Device{device}, v, false)
	if err != nil {
		return err
	}
	defer done()
	c.log.DebugContext(ctx, "security key operation", "rp_id", c.rpID, "create", c.create,
		"product", device.Descriptor().Product, "pin", v.pin, "built_in_uv", v.builtIn)
	return op(pin)
}
