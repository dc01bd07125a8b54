package main

import (
	"context"
	"encoding/hex"

	"github.com/lakekey/lakekey/authenticator"
)

func (p *program) listFingers(ctx context.Context) error {
	return as(ctx, p, func(d authenticator.FingerprintManager) error {
		return p.withPIN(ctx, d, func(pin []byte) error {
			all, err := d.Fingerprints(ctx, pin)
			if err != nil {
				return err
			}
			if len(all) == 0 {
				p.tell("The key knows no finger: key fingerprints enroll\n")
			}
			for _, f := range all {
				p.print("%s  %q\n", hex.EncodeToString(f.ID), f.Name)
			}
			return nil
		})
	})
}

func (p *program) enrollFinger(ctx context.Context) error {
	return as(ctx, p, func(d authenticator.FingerprintManager) error {
		return p.withPIN(ctx, d, func(pin []byte) error {
			p.tell("Put the finger on the key, again and again.\n")
			f, err := d.EnrollFingerprint(ctx, pin, p.name, func(missing int, defect string) {
				if defect != "" {
					p.tell("%s; ", defect)
				}
				p.tell("%d to go\n", missing)
			})
			if err != nil {
				return err
			}
			p.print("%s  %q\n", hex.EncodeToString(f.ID), f.Name)
			return nil
		})
	})
}

// withFinger finds the finger that is named.
func (p *program) withFinger(ctx context.Context, do func(authenticator.FingerprintManager, []byte, authenticator.Fingerprint) error) error {
	return as(ctx, p, func(d authenticator.FingerprintManager) error {
		return p.withPIN(ctx, d, func(pin []byte) error {
			all, err := d.Fingerprints(ctx, pin)
			if err != nil {
				return err
			}
			f, err := one(all, p.id, func(f authenticator.Fingerprint) []byte { return f.ID })
			if err != nil {
				return err
			}
			return do(d, pin, f)
		})
	})
}

func (p *program) renameFinger(ctx context.Context) error {
	return p.withFinger(ctx, func(d authenticator.FingerprintManager, pin []byte, f authenticator.Fingerprint) error {
		f.Name = p.name
		if err := d.RenameFingerprint(ctx, pin, f); err != nil {
			return err
		}
		p.tell("The finger is called %q now.\n", p.name)
		return nil
	})
}

func (p *program) deleteFinger(ctx context.Context) error {
	return p.withFinger(ctx, func(d authenticator.FingerprintManager, pin []byte, f authenticator.Fingerprint) error {
		if err := d.DeleteFingerprint(ctx, pin, f.ID); err != nil {
			return err
		}
		p.tell("The finger %q is forgotten.\n", f.Name)
		return nil
	})
}
