package keys

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/lakekey/lakekey/authenticator"
	"github.com/lakekey/lakekey/authenticator/softkey"
)

// Usage says what -key takes, for the help of a program.
const Usage = "the key: soft:FILE (a software key in a file, for trying things out; it is made if it is not there)"

// softPIN is the PIN of software keys. It protects nothing, as the file holds
// the private keys in the clear: it is there because a relying party wants the
// person verified, and the program types it on the person's behalf.
const softPIN = "lakekey"

// Key is an open security key with the client that uses it.
type Key struct {
	*authenticator.Client
	device authenticator.Device
	soft   *softkey.Key
}

// Open opens the key that spec names. What a person should know is written to
// prompts.
func Open(spec string, prompts io.Writer) (*Key, error) {
	kind, file, _ := strings.Cut(spec, ":")
	switch {
	case kind == "soft" && file != "":
		soft, err := softkey.Open(file, softkey.Options{PIN: []byte(softPIN)})
		if errors.Is(err, softkey.ErrInUse) {
			return nil, fmt.Errorf("-key %s: another program has this key open; end it or use another file", spec)
		}
		if err != nil {
			return nil, fmt.Errorf("-key %s: %w", spec, err)
		}
		return software(soft, file, prompts), nil
	case spec == "":
		return nil, errors.New("-key is missing: name a key, such as -key soft:FILE")
	default:
		return nil, fmt.Errorf("-key %q: this version knows soft:FILE only", spec)
	}
}

// Memory returns a software key that is gone when the program ends.
func Memory(prompts io.Writer) (*Key, error) {
	soft, err := softkey.New(softkey.Options{PIN: []byte(softPIN)})
	if err != nil {
		return nil, err
	}
	return software(soft, "", prompts), nil
}

func software(soft *softkey.Key, file string, prompts io.Writer) *Key {
	device := authenticator.NewCTAP2(soft, authenticator.Descriptor{Transport: "usb", Path: file, Product: "software key"})
	client := authenticator.NewClient(authenticator.Devices(device), authenticator.Options{UI: &terminal{out: prompts, pin: softPIN}})
	return &Key{Client: client, device: device, soft: soft}
}

// Touches is how often the key has been touched since it was opened.
func (k *Key) Touches() int { return k.soft.Touches() }

// Close releases the key.
func (k *Key) Close() error { return errors.Join(k.device.Close(), k.soft.Close()) }

// terminal is the authenticator.UI of the programs: it writes prompts, and
// answers the PIN prompt of a software key.
type terminal struct {
	out io.Writer
	pin string
}

func (t *terminal) Touch(_ context.Context, p authenticator.Prompt) (func(), error) {
	act := "sign in to"
	if p.Create {
		act = "register it with"
	}
	fmt.Fprintf(t.out, "Touch your security key to %s %s.\n", act, p.RPID)
	return func() {}, nil
}

func (t *terminal) Verify(ctx context.Context, p authenticator.Prompt) (func(), error) {
	return t.Touch(ctx, p)
}

func (t *terminal) PIN(context.Context, authenticator.PINPrompt) ([]byte, error) {
	return []byte(t.pin), nil
}

// ChooseAccount takes the newest: a software key that serves these programs
// holds one account, or the same one again.
func (t *terminal) ChooseAccount(_ context.Context, rpID string, accounts []authenticator.User) (int, error) {
	fmt.Fprintf(t.out, "The key holds %d accounts for %s; using %s, the newest.\n", len(accounts), rpID, accounts[0].Name)
	return 0, nil
}

func (t *terminal) Insert(context.Context) error { return authenticator.ErrNoDevice }
