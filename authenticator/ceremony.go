package authenticator

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/lakekey/lakekey/authenticator/internal/webauthn"
)

// ceremony is one Create or Get under way.
type ceremony struct {
	ui     UI
	log    *slog.Logger
	keys   Source
	client webauthn.ClientData
	rpID   string
	create bool
}

// lookAgain is how often we look for keys while a person is asked to plug one in,
// and waiterPatience how often when the Source should notice by itself.
const (
	lookAgain      = 100 * time.Millisecond
	waiterPatience = 2 * time.Second
)

// plugged waits until there is a key. The person is asked once.
func (c *ceremony) plugged(ctx context.Context) ([]Device, error) {
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
	asking, found := context.WithCancel(ctx)
	answer := make(chan error, 1)
	go func() { answer <- c.ui.Insert(asking) }()
	asked := true
	defer func() {
		found()
		if asked {
			<-answer // the UI is called one method at a time
		}
	}()
	for {
		wait, cancel := context.WithTimeout(asking, lookAgain)
		change := make(chan error, 1)
		if w, waits := c.keys.(waiter); waits {
			cancel()
			wait, cancel = context.WithTimeout(asking, waiterPatience)
			go func() { change <- w.Wait(wait) }()
		}
		select {
		case err := <-answer:
			asked = false
			answer = nil
			if err != nil {
				cancel()
				return nil, fmt.Errorf("waiting for a key: %w", err)
			}
		case err := <-change:
			if err != nil && wait.Err() == nil {
				cancel()
				return nil, fmt.Errorf("waiting for a key: %w", err)
			}
		case <-wait.Done():
		}
		cancel()
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("waiting for a key: %w", err)
		}
		devices, err := c.keys.Devices(ctx)
		if err != nil {
			return nil, fmt.Errorf("listing keys: %w", err)
		}
		if len(devices) > 0 {
			return devices, nil
		}
	}
}

// prompt tells the person which keys wait for what. The returned function is never
// nil.
func (c *ceremony) prompt(ctx context.Context, devices []Device, p Prompt, sensor bool) (func(), error) {
	if c.ui == nil {
		return func() {}, nil
	}
	p.RPID, p.Origin, p.Create = c.rpID, c.client.Origin, c.create
	for _, d := range devices {
		p.Devices = append(p.Devices, d.Descriptor())
	}
	show := c.ui.Touch
	if sensor {
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

// found asks a key in silence for credentials. sure is false where the key may hide
// one: credProtect shows some to a verified user only (CTAP 2.1 §12.1).
func found(ctx context.Context, device Device, info *Info, v verification, rpID string, ids [][]byte) (held, sure bool) {
	s, able := device.(seeker)
	if !able {
		return false, false
	}
	held, err := s.holds(ctx, rpID, ids)
	if err != nil {
		return false, false
	}
	return held, held || !v.wanted() || !info.hides()
}
