package main

import (
	"context"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/lakekey/lakekey/authenticator"
)

func (p *program) listCredentials(ctx context.Context) error {
	return as(ctx, p, func(d authenticator.CredentialManager) error {
		return p.withPIN(ctx, d, func(pin []byte) error {
			all, err := d.Credentials(ctx, pin)
			if err != nil {
				return err
			}
			if len(all) == 0 {
				p.tell("The key stores no credential.\n")
			}
			for _, c := range all {
				p.print("%s  %s  %q  %q\n", hex.EncodeToString(c.ID), c.RPID, c.User.Name, c.User.DisplayName)
			}
			return nil
		})
	})
}

// credential finds the one that -id names.
func (p *program) withCredential(ctx context.Context, do func(authenticator.CredentialManager, []byte, authenticator.StoredCredential) error) error {
	return as(ctx, p, func(d authenticator.CredentialManager) error {
		return p.withPIN(ctx, d, func(pin []byte) error {
			all, err := d.Credentials(ctx, pin)
			if err != nil {
				return err
			}
			c, err := one(all, p.id, func(c authenticator.StoredCredential) []byte { return c.ID })
			if err != nil {
				return err
			}
			return do(d, pin, c)
		})
	})
}

// one returns the element whose ID begins with hexadecimal text.
func one[T any](all []T, text string, id func(T) []byte) (T, error) {
	var found []T
	for _, c := range all {
		if strings.HasPrefix(hex.EncodeToString(id(c)), strings.ToLower(text)) {
			found = append(found, c)
		}
	}
	var none T
	switch len(found) {
	case 0:
		return none, fmt.Errorf("nothing on the key has an ID that begins with %s", text)
	case 1:
		return found[0], nil
	default:
		return none, fmt.Errorf("%d things on the key have an ID that begins with %s: name more of it", len(found), text)
	}
}

func (p *program) deleteCredential(ctx context.Context) error {
	return p.withCredential(ctx, func(d authenticator.CredentialManager, pin []byte, c authenticator.StoredCredential) error {
		if err := d.DeleteCredential(ctx, pin, c.ID); err != nil {
			return err
		}
		p.tell("The credential of %q for %s is deleted.\n", c.User.Name, c.RPID)
		return nil
	})
}

func (p *program) renameCredential(ctx context.Context) error {
	return p.withCredential(ctx, func(d authenticator.CredentialManager, pin []byte, c authenticator.StoredCredential) error {
		user := c.User
		user.Name = p.name
		if err := d.UpdateUser(ctx, pin, c.ID, user); err != nil {
			return err
		}
		p.tell("The account at %s is called %q now.\n", c.RPID, p.name)
		return nil
	})
}
