package authenticatortest

import (
	"context"
	"errors"
	"sync"

	"github.com/lakekey/lakekey/authenticator"
)

// person is the UI of these tests: somebody who knows what to answer in advance.
type person struct {
	account string // the name to choose among accounts
	onPIN   func(ctx context.Context) error

	mu      sync.Mutex
	pins    [][]byte // typed one after the other
	asked   []authenticator.PINPrompt
	touched []authenticator.Prompt
	fingers []authenticator.Prompt
	offered [][]authenticator.User
}

// errMute is what a person says who has no PIN left to type.
var errMute = errors.New("authenticatortest: the person does not answer")

// typing is a person who types these PINs.
func typing(pins ...string) *person {
	p := &person{}
	for _, pin := range pins {
		p.pins = append(p.pins, []byte(pin))
	}
	return p
}

// Touch implements authenticator.UI.
func (p *person) Touch(_ context.Context, prompt authenticator.Prompt) (func(), error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.touched = append(p.touched, prompt)
	return nil, nil
}

// Verify implements authenticator.UI.
func (p *person) Verify(_ context.Context, prompt authenticator.Prompt) (func(), error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fingers = append(p.fingers, prompt)
	return nil, nil
}

// PIN implements authenticator.UI.
func (p *person) PIN(ctx context.Context, prompt authenticator.PINPrompt) ([]byte, error) {
	p.mu.Lock()
	p.asked = append(p.asked, prompt)
	hesitate := p.onPIN
	p.mu.Unlock()
	if hesitate != nil {
		if err := hesitate(ctx); err != nil {
			return nil, err
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.pins) == 0 {
		return nil, errMute
	}
	pin := p.pins[0]
	p.pins = p.pins[1:]
	return pin, nil
}

// ChooseAccount implements authenticator.UI.
func (p *person) ChooseAccount(_ context.Context, _ string, accounts []authenticator.User) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.offered = append(p.offered, accounts)
	for i, a := range accounts {
		if a.Name == p.account {
			return i, nil
		}
	}
	return 0, errMute
}

// Insert implements authenticator.UI.
func (p *person) Insert(context.Context) error { return authenticator.ErrNoDevice }

// types adds a PIN to those that will be typed.
func (p *person) types(pins ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, pin := range pins {
		p.pins = append(p.pins, []byte(pin))
	}
}
