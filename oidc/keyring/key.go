package keyring

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"github.com/zalando/go-keyring"

	"github.com/lakekey/lakekey/oidc/keep"
)

// Key is a key in the keyring. It implements [keep.Key].
type Key struct {
	Service string // empty: lakekey
	Account string // empty: sessions
}

var _ keep.Key = Key{}

const (
	keySize  = 32
	patience = time.Minute
)

// Key implements [keep.Key].
func (k Key) Key(ctx context.Context) ([]byte, error) {
	if k.Service == "" {
		k.Service = "lakekey"
	}
	if k.Account == "" {
		k.Account = "sessions"
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	key, err := k.read(ctx)
	if !errors.Is(err, keyring.ErrNotFound) {
		return key, err
	}
	key = make([]byte, keySize)
	_, _ = rand.Read(key) // never fails
	_, err = waited(ctx, func() (string, error) {
		return "", keyring.Set(k.Service, k.Account, base64.StdEncoding.EncodeToString(key))
	})
	if err != nil {
		return nil, fmt.Errorf("keyring: %w", err)
	}
	again, err := k.read(ctx)
	if err != nil || !bytes.Equal(key, again) {
		return nil, errors.New("keyring: the keyring did not keep what was put into it")
	}
	return key, nil
}

func (k Key) read(ctx context.Context) ([]byte, error) {
	text, err := waited(ctx, func() (string, error) { return keyring.Get(k.Service, k.Account) })
	if err != nil {
		return nil, fmt.Errorf("keyring: %w", err)
	}
	key, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(key) != keySize {
		return nil, fmt.Errorf("keyring: what the keyring holds for %s, %s is no key: remove it, and sign in again", k.Service, k.Account)
	}
	return key, nil
}

// waited leaves a call that knows no context to itself when ctx ends.
func waited(ctx context.Context, call func() (string, error)) (string, error) {
	type result struct {
		text string
		err  error
	}
	done := make(chan result, 1)
	go func() {
		text, err := call()
		done <- result{text, err}
	}()
	select {
	case r := <-done:
		if r.err != nil && !errors.Is(r.err, keyring.ErrNotFound) {
			return "", fmt.Errorf("using the keyring of this machine: %v", r.err)
		}
		return r.text, r.err
	case <-ctx.Done():
		return "", fmt.Errorf("waiting for the keyring, which may be locked: %w", ctx.Err())
	}
}
