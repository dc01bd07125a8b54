package authenticator_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/authenticator"
	"github.com/lakekey/lakekey/authenticator/softkey"
)

// person is a UI that does what a test says and remembers what it was asked.
type person struct {
	pin     string
	slips   []string // typed before pin
	account int
	insert  func() error

	typed    [][]byte // the very slices given to the Client
	pins     []authenticator.PINPrompt
	prompts  []authenticator.Prompt
	verifies int // prompts that were for a sensor
	accounts []authenticator.User
	open     int // prompts shown and not yet done
}

func (p *person) Touch(_ context.Context, prompt authenticator.Prompt) (func(), error) {
	p.prompts = append(p.prompts, prompt)
	p.open++
	return func() { p.open-- }, nil
}

func (p *person) Verify(ctx context.Context, prompt authenticator.Prompt) (func(), error) {
	p.verifies++
	return p.Touch(ctx, prompt)
}

func (p *person) PIN(_ context.Context, prompt authenticator.PINPrompt) ([]byte, error) {
	p.pins = append(p.pins, prompt)
	typed := []byte(p.pin)
	if len(p.slips) > 0 {
		typed, p.slips = []byte(p.slips[0]), p.slips[1:]
	}
	p.typed = append(p.typed, typed)
	return typed, nil
}

func (p *person) ChooseAccount(_ context.Context, _ string, accounts []authenticator.User) (int, error) {
	p.accounts = accounts
	return p.account, nil
}

func (p *person) Insert(context.Context) error {
	if p.insert == nil {
		return errors.New("no key at hand")
	}
	return p.insert()
}

func newKey(t testing.TB, o softkey.Options) *softkey.Key {
	t.Helper()
	k, err := softkey.New(o)
	require.NoError(t, err)
	t.Cleanup(func() { k.Close() })
	return k
}

func clientOf(ui authenticator.UI, keys ...authenticator.Transport) *authenticator.Client {
	var devices []authenticator.Device
	for i, k := range keys {
		product := "test key"
		if i > 0 {
			product = fmt.Sprint("test key ", i+1)
		}
		devices = append(devices, authenticator.NewCTAP2(k, authenticator.Descriptor{Product: product}))
	}
	return authenticator.NewClient(authenticator.Devices(devices...), authenticator.Options{UI: ui})
}
