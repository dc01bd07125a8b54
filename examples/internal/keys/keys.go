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

// Usage says what -key takes, for the help of a program.
const Usage = "the `KEY`: usb (a security key that is plugged in), soft:FILE (a software key in a file, for\ntrying things out) or remote:SOCKET (a key on another machine, by a forwarded socket)"

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

// Use opens the key that spec names, which must exist.
func Use(ctx context.Context, spec string) (*Key, error) {
	if file, soft := strings.CutPrefix(spec, "soft:"); soft && file != "" {
		if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("-key %s: there is no key in that file; keyagent enroll -invite LINK -key %s makes one and registers it", spec, spec)
		}
	}
	return Open(ctx, spec)
}

// Open opens the key that spec names, and makes it if it is a software key that
// is not there.
func Open(ctx context.Context, spec string) (*Key, error) {
	kind, where, _ := strings.Cut(spec, ":")
	switch {
	case spec == "usb":
		source := hid.NewSource(hid.Options{})
		client := authenticator.NewClient(source, authenticator.Options{UI: terminal.New(os.Stdin, os.Stderr)})
		return &Key{ceremonies: client, close: source.Close}, nil
	case kind == "soft" && where != "":
		soft, err := softkey.Open(where, softkey.Options{PIN: []byte(softPIN)})
		if errors.Is(err, softkey.ErrInUse) {
			return nil, fmt.Errorf("-key %s: another program has this key open; end it or use another file", spec)
		}
		if err != nil {
			return nil, fmt.Errorf("-key %s: %w", spec, err)
		}
		return software(soft), nil
	case kind == "remote" && where != "":
		client, err := remote.Dial(ctx, where, remote.Options{})
		if err != nil {
			return nil, fmt.Errorf("-key %s: %w", spec, err)
		}
		return &Key{ceremonies: client, close: func() error { return nil }}, nil
	case spec == "":
		return nil, errors.New("-key is missing: usb for a key that is plugged in, or soft:FILE to try things out")
	default:
		return nil, fmt.Errorf("-key %q: must be usb, soft:FILE or remote:SOCKET", spec)
	}
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
