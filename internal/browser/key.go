package browser

import (
	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"

	"context"
)

// KeyOptions describes a key that Chromium simulates.
type KeyOptions struct {
	U2F       bool   // an old key without CTAP2
	Transport string // "usb", "nfc", "ble" or "internal"; empty: "usb"
	Resident  bool   // it can name its owner: a passkey
	Verifies  bool   // it has a PIN or a fingerprint reader
	Synced    bool   // backup eligible and backed up
}

// Key is a plugged-in key.
type Key struct {
	p  *Page
	id webauthn.AuthenticatorID
}

// PlugIn plugs a key into the page's computer. Its holder touches it and is
// verified whenever it asks.
func (p *Page) PlugIn(o KeyOptions) *Key {
	p.t.Helper()
	v := &webauthn.VirtualAuthenticatorOptions{
		Protocol: webauthn.AuthenticatorProtocolCtap2, Ctap2version: webauthn.Ctap2versionCtap21,
		Transport: webauthn.AuthenticatorTransportUsb, HasResidentKey: o.Resident,
		HasUserVerification: o.Verifies, IsUserVerified: o.Verifies, AutomaticPresenceSimulation: true,
		DefaultBackupEligibility: o.Synced, DefaultBackupState: o.Synced,
	}
	if o.U2F {
		v.Protocol, v.Ctap2version = webauthn.AuthenticatorProtocolU2f, ""
	}
	if o.Transport != "" {
		v.Transport = webauthn.AuthenticatorTransport(o.Transport)
	}
	k := &Key{p: p}
	p.run(chromedp.ActionFunc(func(ctx context.Context) (err error) {
		k.id, err = webauthn.AddVirtualAuthenticator(v).Do(ctx)
		return err
	}))
	return k
}

// Unplug removes the key; what is stored on it is gone.
func (k *Key) Unplug() {
	k.p.t.Helper()
	k.p.run(webauthn.RemoveVirtualAuthenticator(k.id))
}

// Touch says whether the holder touches the key when it asks. Chromium's answer
// to a question that it has put already stays what it was.
func (k *Key) Touch(yes bool) {
	k.p.t.Helper()
	k.p.run(webauthn.SetAutomaticPresenceSimulation(k.id, yes))
}

// Verify says whether the holder's PIN or finger is the right one.
func (k *Key) Verify(yes bool) {
	k.p.t.Helper()
	k.p.run(webauthn.SetUserVerified(k.id, yes))
}

// Credentials returns what is stored on the key.
func (k *Key) Credentials() []*webauthn.Credential {
	k.p.t.Helper()
	var all []*webauthn.Credential
	k.p.run(chromedp.ActionFunc(func(ctx context.Context) (err error) {
		all, err = webauthn.GetCredentials(k.id).Do(ctx)
		return err
	}))
	return all
}

// Import puts a credential onto the key, as if it had been made there.
func (k *Key) Import(c *webauthn.Credential) {
	k.p.t.Helper()
	k.p.run(webauthn.AddCredential(k.id, c))
}
