package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/lakekey/lakekey/oidc"
	"github.com/lakekey/lakekey/oidc/keep"
	"github.com/lakekey/lakekey/oidc/keyring"
	"github.com/lakekey/lakekey/oidc/launch"
)

// The ways to sign in without a key at this program.
const (
	byBrowser = "browser"
	byDevice  = "device"
)

// signIn takes up the session that is kept, or signs in by the way that -key says.
func (s *settings) signIn(ctx context.Context, stderr io.Writer) (*oidc.Session, error) {
	r, err := s.request(ctx)
	if err != nil {
		return nil, err
	}
	var key oidc.Key
	if !s.key.IsWay() { // a key that is not there is missed before anything else
		opened, err := s.key.Use(ctx)
		if err != nil {
			return nil, err
		}
		defer opened.Close() // a session needs the key once
		key = opened
	}
	idp, err := oidc.Discover(ctx, s.issuer, oidc.Options{})
	if err != nil {
		return nil, fmt.Errorf("-issuer %s: %w", s.issuer, err)
	}
	if r.Store != nil {
		session, err := oidc.Resume(ctx, idp, r)
		if _, again := errors.AsType[*oidc.LoginRequiredError](err); !again {
			return session, err
		}
	}
	session, err := s.begin(ctx, idp, key, r, stderr)
	if err != nil {
		return nil, fmt.Errorf("signing in at %s: %w", s.issuer, err)
	}
	return session, nil
}

// begin asks the person.
func (s *settings) begin(ctx context.Context, idp *oidc.Provider, key oidc.Key, r oidc.SignInRequest, stderr io.Writer) (*oidc.Session, error) {
	switch s.key.Key {
	case byBrowser:
		return oidc.SignInBrowser(ctx, idp, launch.New(os.Getenv, os.Stdin, stderr), r)
	case byDevice:
		return oidc.SignInDevice(ctx, idp, func(_ context.Context, c oidc.DeviceCode) error {
			show(stderr, c)
			return nil
		}, r)
	}
	return oidc.SignIn(ctx, idp, key, r)
}

func show(w io.Writer, c oidc.DeviceCode) {
	fmt.Fprintf(w, "On a machine with your key, open\n\n  %s\n\nand enter the code\n\n  %s\n\n", c.Address, c.UserCode)
	if c.Direct != "" {
		fmt.Fprintf(w, "or open %s\nand compare it.\n", c.Direct)
	}
	fmt.Fprintf(w, "Enter no code that somebody sent you: it signs them in as you. Waiting until %s.\n", c.Expires.Local().Format("15:04:05"))
}

// request is what this program asks for, whatever the way.
func (s *settings) request(ctx context.Context) (oidc.SignInRequest, error) {
	r := oidc.SignInRequest{
		ClientID: s.client, Audience: s.firstAudience(), LoginCommand: s.command(), RedirectURL: s.redirect,
		InsecureDeviceGrant: s.key.Key == byDevice, // who types that has chosen it
	}
	if s.keep == "" {
		return r, nil
	}
	var key keep.Key = keyring.Key{}
	if s.keepKey != "" {
		file, err := filepath.Abs(s.keepKey)
		if err != nil {
			return r, fmt.Errorf("-keep-key %s: %v", s.keepKey, err)
		}
		key = keep.KeyFile(file)
	}
	store, err := keep.Open(ctx, s.keep, key)
	if err != nil && s.keepKey == "" {
		return r, fmt.Errorf("-keep %s: %w; without a keyring, -keep-key FILE names a file for the key", s.keep, err)
	}
	if err != nil {
		return r, fmt.Errorf("-keep %s: %w", s.keep, err)
	}
	r.Store = store
	return r, nil
}
