package keys

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/lakekey/lakekey/authenticator"
	"github.com/lakekey/lakekey/authenticator/hid"
	"github.com/lakekey/lakekey/authenticator/remote"
	"github.com/lakekey/lakekey/authenticator/softkey"
	"github.com/lakekey/lakekey/authenticator/terminal"
)

// softPIN is the PIN of software keys. It protects nothing, as the file holds
// the private keys in the clear: it is there because a relying party wants the
// person verified, and the program types it on the person's behalf.
const softPIN = "lakekey"

// ceremonies is what all kinds of key can do; *authenticator.Client is one.
type ceremonies interface {
	Create(ctx context.Context, origin string, options []byte) ([]byte, error)
	Get(ctx context.Context, origin string, options []byte) ([]byte, error)
}

// Key is an open security key with the client that uses it.
type Key struct {
	ceremonies
	used  int
	close func() error
}

// Create registers the key, see authenticator.Client.
func (k *Key) Create(ctx context.Context, origin string, options []byte) ([]byte, error) {
	response, err := k.ceremonies.Create(ctx, origin, options)
	return k.touched(response, err)
}

// Get signs in with the key, see authenticator.Client.
func (k *Key) Get(ctx context.Context, origin string, options []byte) ([]byte, error) {
	response, err := k.ceremonies.Get(ctx, origin, options)
	return k.touched(response, err)
}

func (k *Key) touched(response []byte, err error) ([]byte, error) {
	if err == nil {
		k.used++ // a ceremony that succeeds has tested the person's presence once
	}
	return response, err
}

// Touches is how many ceremonies the key has been touched for.
func (k *Key) Touches() int { return k.used }

// Close releases the key.
func (k *Key) Close() error { return k.close() }

// Use opens the key that the flags name, which must exist.
func (s Spec) Use(ctx context.Context) (*Key, error) {
	if file, soft := strings.CutPrefix(s.Key, "soft:"); soft && file != "" {
		if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("-key %s: there is no key in that file; keyagent enroll -invite LINK -key %s makes one and registers it", s.Key, s.Key)
		}
	}
	return s.Open(ctx)
}

// Open opens the key that the flags name, and makes it if it is a software key that
// is not there.
func (s Spec) Open(ctx context.Context) (*Key, error) {
	if err := s.Check(); err != nil {
		return nil, err
	}
	kind, where, _ := strings.Cut(s.Key, ":")
	switch kind {
	case "soft":
		soft, err := softkey.Open(where, softkey.Options{PIN: []byte(softPIN)})
		if errors.Is(err, softkey.ErrInUse) {
			return nil, fmt.Errorf("-key %s: another program has this key open; end it or use another file", s.Key)
		}
		if err != nil {
			return nil, fmt.Errorf("-key %s: %w", s.Key, err)
		}
		return software(soft), nil
	case "remote":
		client, err := remote.Dial(ctx, where, remote.Options{})
		if err != nil {
			return nil, fmt.Errorf("-key %s: %w", s.Key, err)
		}
		return &Key{ceremonies: client, close: func() error { return nil }}, nil
	default:
		return s.plugged()
	}
}

// plugged is every key on USB, or the one at a path.
func (s Spec) plugged() (*Key, error) {
	var o hid.Options
	if s.Device != "" {
		if _, err := os.Stat(s.Device); err != nil {
			return nil, fmt.Errorf("-device %s: %v; key list shows the keys that are plugged in", s.Device, errors.Unwrap(err))
		}
		o.Paths = []string{s.Device}
	}
	source := hid.NewSource(o)
	client := authenticator.NewClient(source, authenticator.Options{UI: terminal.New(os.Stdin, os.Stderr)})
	return &Key{ceremonies: client, close: source.Close}, nil
}

// Memory returns a software key that is gone when the program ends.
func Memory() (*Key, error) {
	soft, err := softkey.New(softkey.Options{PIN: []byte(softPIN)})
	if err != nil {
		return nil, err
	}
	return software(soft), nil
}

func software(soft *softkey.Key) *Key {
	device := authenticator.NewCTAP2(soft, authenticator.Descriptor{Transport: "usb", Product: "software key"})
	client := authenticator.NewClient(authenticator.Devices(device), authenticator.Options{UI: typist{}})
	return &Key{ceremonies: client, close: func() error { return errors.Join(device.Close(), soft.Close()) }}
}

// typist is the person at a software key: it types the PIN, and a touch needs
// nobody.
type typist struct{}

func (typist) Touch(context.Context, authenticator.Prompt) (func(), error) { return func() {}, nil }

func (typist) Verify(context.Context, authenticator.Prompt) (func(), error) { return func() {}, nil }

func (typist) PIN(context.Context, authenticator.PINPrompt) ([]byte, error) {
	return []byte(softPIN), nil
}

// ChooseAccount takes the newest: a key that serves these programs holds one
// account, or the same one again.
func (typist) ChooseAccount(context.Context, string, []authenticator.User) (int, error) {
	return 0, nil
}

func (typist) Insert(context.Context) error { return authenticator.ErrNoDevice }
