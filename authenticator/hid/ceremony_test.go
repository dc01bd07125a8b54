//go:build linux

package hid_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/authenticator"
	"github.com/lakekey/lakekey/authenticator/hid"
	"github.com/lakekey/lakekey/authenticator/softkey"
)

const origin = "https://login.example.org"

var (
	creation = []byte(`{"rp":{"id":"example.org","name":"Example"},"user":{"id":"dXNlci0x","name":"ada","displayName":"Ada"},
		"challenge":"MDEyMzQ1Njc4OWFiY2RlZg","pubKeyCredParams":[{"type":"public-key","alg":-7}],
		"authenticatorSelection":{"residentKey":"required"},"attestation":"direct"}`)
	request         = []byte(`{"rpId":"example.org","challenge":"ZmVkY2JhOTg3NjU0MzIxMA"}`)
	verifiedRequest = []byte(`{"rpId":"example.org","challenge":"ZmVkY2JhOTg3NjU0MzIxMA","userVerification":"required"}`)
)

// response is what a relying party reads of either response.
type response struct {
	ID       string
	Response struct{ ClientDataJSON, AuthenticatorData, Signature, PublicKey string }
}

func read(t testing.TB, raw []byte) response {
	t.Helper()
	var r response
	require.NoError(t, json.Unmarshal(raw, &r))
	return r
}

func unb64(t testing.TB, s string) []byte {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(s)
	require.NoError(t, err)
	return b
}

// verify checks a signature with the key of a registration, and returns the flags.
func verify(t testing.TB, registered, signIn response) byte {
	t.Helper()
	require.Equal(t, registered.ID, signIn.ID)
	public, err := x509.ParsePKIXPublicKey(unb64(t, registered.Response.PublicKey))
	require.NoError(t, err)
	data := unb64(t, signIn.Response.AuthenticatorData)
	clientData := sha256.Sum256(unb64(t, signIn.Response.ClientDataJSON))
	digest := sha256.Sum256(append(data, clientData[:]...))
	require.True(t, ecdsa.VerifyASN1(public.(*ecdsa.PublicKey), digest[:], unb64(t, signIn.Response.Signature)))
	return data[32]
}

// person is a UI with a PIN.
type person struct {
	authenticator.UI
	pin    string
	insert func(ctx context.Context) error
}

func (p *person) Touch(context.Context, authenticator.Prompt) (func(), error) { return nil, nil }

func (p *person) PIN(context.Context, authenticator.PINPrompt) ([]byte, error) {
	return []byte(p.pin), nil
}

func (p *person) Insert(ctx context.Context) error { return p.insert(ctx) }

func sourceOf(t testing.TB, ports ...*softkey.Port) *hid.Source {
	t.Helper()
	var o hid.Options
	for _, p := range ports {
		o.Paths = append(o.Paths, p.Path())
	}
	source := hid.NewSource(o)
	t.Cleanup(func() { _ = source.Close() }) // of keys that tests unplug
	return source
}

func TestCeremonies(t *testing.T) {
	for name, o := range map[string]softkey.Options{"no PIN": {}, "PIN": {PIN: []byte("a long PIN")}} {
		t.Run(name, func(t *testing.T) {
			key, port := plug(t, o)
			client := authenticator.NewClient(sourceOf(t, port), authenticator.Options{UI: &person{pin: string(o.PIN)}})
			raw, err := client.Create(soon(t), origin, creation)
			require.NoError(t, err)
			registered := read(t, raw)
			for range 3 {
				raw, err = client.Get(soon(t), origin, request)
				require.NoError(t, err)
				require.NotZero(t, verify(t, registered, read(t, raw))&0x01, "user present")
			}
			require.Equal(t, 4, key.Touches())
			if o.PIN == nil {
				return
			}
			raw, err = client.Get(soon(t), origin, verifiedRequest)
			require.NoError(t, err)
			require.NotZero(t, verify(t, registered, read(t, raw))&0x04, "user verified")
		})
	}
}

func TestTwoKeysOneTouched(t *testing.T) {
	first, second := newFinger(), newFinger()
	key1, port1 := plug(t, softkey.Options{Touch: first.Touch})
	key2, port2 := plug(t, softkey.Options{Touch: second.Touch})
	client := authenticator.NewClient(sourceOf(t, port1, port2), authenticator.Options{})
	go func() {
		<-first.waiting
		for range second.waiting {
			second.touch <- struct{}{}
		}
	}()
	_, err := client.Create(soon(t), origin, creation)
	require.NoError(t, err)
	require.Zero(t, key1.Touches())
	require.NotZero(t, key2.Touches())

	// The other key is not left waiting.
	go func() { <-first.waiting; first.touch <- struct{}{} }()
	_, err = authenticator.NewClient(sourceOf(t, port1), authenticator.Options{}).Create(soon(t), origin, creation)
	require.NoError(t, err)
}

func TestCancelAtEveryStep(t *testing.T) {
	for _, pin := range []string{"", "1234"} {
		o := softkey.Options{}
		if pin != "" {
			o.PIN = []byte(pin)
		}
		_, port := plug(t, o)
		source := sourceOf(t, port)
		devices, err := source.Devices(t.Context())
		require.NoError(t, err)
		for step := range 6 {
			ctx, cancel := context.WithCancel(t.Context())
			counting := &countdown{Device: devices[0], left: step, cancel: cancel}
			client := authenticator.NewClient(authenticator.Devices(counting), authenticator.Options{UI: &person{pin: pin}})
			_, err := client.Create(ctx, origin, creation)
			if err != nil {
				require.ErrorIs(t, err, context.Canceled, "step %d", step)
			}
			cancel()
			_, err = devices[0].Info(soon(t))
			require.NoError(t, err, "the key works after step %d", step)
		}
		_, err = authenticator.NewClient(source, authenticator.Options{UI: &person{pin: pin}}).Create(soon(t), origin, creation)
		require.NoError(t, err)
	}
}

// countdown cancels while the operation that left counts down to is under way.
type countdown struct {
	authenticator.Device
	left   int
	cancel context.CancelFunc
}

func (c *countdown) step() {
	if c.left == 0 {
		go c.cancel()
	}
	c.left--
}

func (c *countdown) Info(ctx context.Context) (*authenticator.Info, error) {
	c.step()
	return c.Device.Info(ctx)
}

func (c *countdown) PINRetries(ctx context.Context) (authenticator.PINState, error) {
	c.step()
	return c.Device.PINRetries(ctx)
}

func (c *countdown) MakeCredential(ctx context.Context, r *authenticator.MakeCredentialRequest) (*authenticator.MakeCredentialResult, error) {
	c.step()
	return c.Device.MakeCredential(ctx, r)
}

func TestUnplugDuringCeremony(t *testing.T) {
	_, port := plug(t, softkey.Options{})
	port.SetFault(softkey.UnplugForTouch)
	_, err := authenticator.NewClient(sourceOf(t, port), authenticator.Options{}).Create(soon(t), origin, creation)
	require.ErrorIs(t, err, hid.ErrRemoved)
	require.NotErrorIs(t, err, context.Canceled)
}

// Nobody is asked to insert a key any longer when one has come.
func TestInsert(t *testing.T) {
	kernel, source := newKernel(t)
	_, port := plug(t, softkey.Options{})
	inserted := false
	ui := &person{insert: func(context.Context) error {
		if inserted {
			return errors.New("asked again")
		}
		inserted = true
		kernel.add("hidraw0", port.Path(), fidoDescriptor, yubikey)
		return nil
	}}
	_, err := authenticator.NewClient(source, authenticator.Options{UI: ui}).Create(soon(t), origin, creation)
	require.NoError(t, err)
	require.True(t, inserted)
}

// What a Transport carried does not stay in its buffers.
func TestBuffersAreWiped(t *testing.T) {
	person := newFinger()
	_, port := plug(t, softkey.Options{Touch: person.Touch})
	transport := open(t, port.Path())
	secret := make([]byte, 3000)
	for i := range secret {
		secret[i] = 0x5C
	}
	_, err := transport.Ping(soon(t), secret)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-person.waiting; cancel() }()
	_, err = transport.CBOR(ctx, selection)
	require.ErrorIs(t, err, context.Canceled)
	_, err = transport.CBOR(soon(t), secret[:200]) // refused, but sent
	require.NoError(t, err)
	for i, b := range transport.Buffers() {
		for _, octet := range b {
			require.Zero(t, octet, "buffer %d", i)
		}
	}
}
