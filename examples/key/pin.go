package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/lakekey/lakekey/authenticator"
)

func (p *program) pinState(ctx context.Context) error {
	return p.with(ctx, func(d authenticator.Device) error {
		info, err := d.Info(ctx)
		if err != nil {
			return err
		}
		p.print("PIN: %s\n", pinText(info))
		if !info.Options["clientPin"] {
			return nil
		}
		state, err := d.PINRetries(ctx)
		if err != nil {
			return err
		}
		p.print("tries left: %d\n", state.Retries)
		if state.PowerCycleNeeded {
			p.print("The key takes none until it is unplugged and plugged in again.\n")
		}
		return nil
	})
}

func (p *program) setPIN(ctx context.Context) error {
	return as(ctx, p, func(d authenticator.PINManager) error {
		info, err := d.Info(ctx)
		if err != nil {
			return err
		}
		if info.Options["clientPin"] {
			return errors.New("this key has a PIN already: key pin change")
		}
		pin, err := p.newPIN(ctx, info)
		if err != nil {
			return err
		}
		defer clear(pin)
		if err := d.SetPIN(ctx, pin); err != nil {
			return err
		}
		p.tell("The PIN is set. After 8 wrong ones in all the key must be reset.\n")
		return nil
	})
}

func (p *program) changePIN(ctx context.Context) error {
	return as(ctx, p, func(d authenticator.PINManager) error {
		info, err := d.Info(ctx)
		if err != nil {
			return err
		}
		if !info.Options["clientPin"] {
			return fmt.Errorf("changing the PIN: %w", authenticator.ErrPINNotSet)
		}
		return p.withPIN(ctx, d, func(current []byte) error {
			pin, err := p.newPIN(ctx, info)
			if err != nil {
				return err
			}
			defer clear(pin)
			if err := d.ChangePIN(ctx, current, pin); err != nil {
				return err
			}
			p.tell("The PIN is changed.\n")
			return nil
		})
	})
}

// newPIN asks twice, since nobody sees what is typed.
func (p *program) newPIN(ctx context.Context, info *authenticator.Info) ([]byte, error) {
	pin, err := p.ReadSecret(ctx, fmt.Sprintf("New PIN (at least %d characters): ", max(4, info.MinPINLength)))
	if err != nil {
		return nil, err
	}
	again, err := p.ReadSecret(ctx, "The same again: ")
	defer clear(again)
	if err == nil && !bytes.Equal(pin, again) {
		err = errors.New("the two are not the same: nothing was changed")
	}
	if err != nil {
		clear(pin)
		return nil, err
	}
	return pin, nil
}

func (p *program) reset(ctx context.Context) error {
	return as(ctx, p, func(d authenticator.Resetter) error {
		p.tell("This deletes every credential and the PIN of %s (%s) for good.\n"+
			"Unplug it, plug it in again, answer within 10 seconds and touch it.\n", d.Descriptor().Product, d.Descriptor().Path)
		answer, err := p.ReadLine(ctx, "Type reset to go on: ")
		if err != nil {
			return err
		}
		if answer != "reset" {
			return errors.New("nothing was reset")
		}
		p.tell("Touch the key.\n")
		if err := d.Reset(ctx); err != nil {
			return err
		}
		p.tell("The key is empty.\n")
		return nil
	})
}
