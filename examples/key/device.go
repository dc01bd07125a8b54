package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/lakekey/lakekey/authenticator"
	"github.com/lakekey/lakekey/authenticator/hid"
	"github.com/lakekey/lakekey/authenticator/libfido2"
	"github.com/lakekey/lakekey/authenticator/softkey"
	"github.com/lakekey/lakekey/examples/internal/cli"
)

// open returns the keys that the flags name and what closes them.
func (p *program) open() (authenticator.Source, func(), error) {
	if p.source != nil {
		return p.source, func() {}, nil
	}
	if file, soft := strings.CutPrefix(p.device, "soft:"); soft {
		key, err := softkey.Open(file, softkey.Options{})
		if err != nil {
			return nil, nil, fmt.Errorf("opening %s: %w", p.device, err)
		}
		d := authenticator.NewCTAP2(key, authenticator.Descriptor{Transport: "usb", Path: p.device, Product: "software key"})
		return authenticator.Devices(d), func() { d.Close() }, nil
	}
	switch p.backend {
	case "hid":
		var o hid.Options
		if p.device != "" {
			o.Paths = []string{p.device}
		}
		source := hid.NewSource(o)
		return source, func() { source.Close() }, nil
	case "libfido2":
		source, err := libfido2.NewSource()
		if err != nil {
			return nil, nil, err
		}
		if p.device == "" {
			return source, func() {}, nil
		}
		d, err := source.Open(p.device)
		if err != nil {
			return nil, nil, fmt.Errorf("opening %s: %w", p.device, err)
		}
		return authenticator.Devices(d), func() { d.Close() }, nil
	default:
		return nil, nil, cli.Usagef("-backend %q: there are hid and libfido2", p.backend)
	}
}

// with runs a command on the one key that there is.
func (p *program) with(ctx context.Context, do func(authenticator.Device) error) error {
	source, done, err := p.open()
	if err != nil {
		return err
	}
	defer done()
	devices, err := source.Devices(ctx)
	if err != nil {
		return fmt.Errorf("listing keys: %w", err)
	}
	switch len(devices) {
	case 0:
		if p.device != "" {
			return fmt.Errorf("-device %s: %w", p.device, authenticator.ErrNoDevice)
		}
		return authenticator.ErrNoDevice
	case 1:
		return do(devices[0])
	}
	var paths []string
	for _, d := range devices {
		paths = append(paths, d.Descriptor().Path)
	}
	return fmt.Errorf("several keys are plugged in: choose one with -device %s", strings.Join(paths, " or "))
}

// as runs a command on a key that can do what T says.
func as[T any](ctx context.Context, p *program, do func(T) error) error {
	return p.with(ctx, func(d authenticator.Device) error {
		able, ok := d.(T)
		if !ok {
			return fmt.Errorf("-backend %s cannot do this: use -backend hid", p.backend)
		}
		return do(able)
	})
}

// withPIN asks for the PIN of a key and runs do with it. A key without one but with a
// sensor gets nil.
func (p *program) withPIN(ctx context.Context, d authenticator.Device, do func(pin []byte) error) error {
	info, err := d.Info(ctx)
	if err != nil {
		return err
	}
	if !info.Options["clientPin"] {
		return do(nil)
	}
	state, err := d.PINRetries(ctx)
	if err != nil {
		return err
	}
	switch {
	case state.Retries == 0:
		return &authenticator.PINError{Status: 0x32}
	case state.PowerCycleNeeded:
		return &authenticator.PINError{Retries: state.Retries, PowerCycleNeeded: true, Status: 0x34}
	}
	prompt := "PIN: "
	if state.Retries < 8 {
		prompt = fmt.Sprintf("PIN (%d tries left): ", state.Retries)
	}
	pin, err := p.ReadSecret(ctx, prompt)
	if err != nil {
		return err
	}
	defer clear(pin)
	if len(pin) == 0 {
		return errors.New("no PIN was typed")
	}
	return do(pin)
}

func (p *program) print(format string, args ...any) {
	fmt.Fprintf(p.stdout, format, labels(args)...)
}

func (p *program) tell(format string, args ...any) { fmt.Fprintf(p.stderr, format, labels(args)...) }

// labels makes texts fit to be shown: many of them are what a key says.
func labels(args []any) []any {
	shown := make([]any, len(args))
	for i, arg := range args {
		switch text := arg.(type) {
		case string:
			shown[i] = cli.Shown(text)
		case error:
			shown[i] = cli.Shown(text.Error())
		default:
			shown[i] = arg
		}
	}
	return shown
}
