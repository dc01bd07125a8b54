package web_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/fido"
	"github.com/lakekey/lakekey/internal/browser"
)

// yubikey is an ordinary security key of today.
var yubikey = browser.KeyOptions{Transport: "usb", Resident: true, Verifies: true}

// enrol registers whatever key is plugged in, through an enrolment link.
func enrol(p *browser.Page, link, name string) {
	p.Open("about:blank") // a change of the fragment alone loads nothing
	p.Open(link)
	p.WaitFor("#register", "This registers a key for")
	p.Type("#name", name)
	p.Click("#registerform button")
	p.WaitFor("#registered", "is a key of")
}

// signIn signs in with the key that is plugged in.
func signIn(p *browser.Page, s *site) {
	p.Open(s.url + "/signin")
	p.Click("#signin button")
	p.WaitPath("/keys")
}

func TestRegisterAndSignIn(t *testing.T) {
	b, s := browser.Start(t), newSite(t, options{})
	p := b.Page(t)
	key := p.PlugIn(yubikey)
	key.Touch(false)
	link := s.invite(t, ada)
	p.Open(link)
	p.WaitFor("#for", ada)
	var address string
	p.Eval("location.href", &address)
	require.Equal(t, s.url+"/enroll", address, "the invitation does not stay where others can read it")
	key.Touch(true)
	p.Type("#name", "Black key")
	p.Click("#registerform button")
	p.WaitFor("#registered", "“Black key” is a key of "+ada)
	require.Len(t, s.keys(t, ada), 1)
	require.Equal(t, "Black key", s.keys(t, ada)[0].Name)
	require.Equal(t, fido.StateActive, s.keys(t, ada)[0].State)

	signIn(p, s)
	p.WaitFor("h3", "Black key")
	p.WaitFor(".note", "Register a second key")
}
