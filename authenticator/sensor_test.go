package authenticator_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/authenticator"
	"github.com/lakekey/lakekey/authenticator/softkey"
)

// fingers is a sensor's Verify that fails a number of times first.
type fingers struct{ unknown int }

func (f *fingers) verify(context.Context) error {
	if f.unknown > 0 {
		f.unknown--
		return errors.New("unknown finger")
	}
	return nil
}

func TestSensor(t *testing.T) {
	const uv = 0x04
	for _, tc := range []struct {
		name             string
		unknown          int
		pin              []byte
		verifies, typed  int
		want             error
		protocols        []int
		withoutTokens    bool
		touchesExpecting int
	}{
		{name: "at once", verifies: 1, touchesExpecting: 1},
		{name: "at once, protocol 1", verifies: 1, touchesExpecting: 1, protocols: []int{1}},
		{name: "without tokens", verifies: 1, touchesExpecting: 1, withoutTokens: true},
		{name: "third finger", unknown: 2, verifies: 3, touchesExpecting: 1},
		{name: "then the PIN", unknown: 3, pin: []byte("1234"), verifies: 3, typed: 1, touchesExpecting: 1},
		{name: "then nothing", unknown: 3, verifies: 3, want: authenticator.Status(0x3F)},
		{name: "without tokens, then the PIN", unknown: 1, pin: []byte("1234"), verifies: 1, typed: 1, withoutTokens: true, touchesExpecting: 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := &fingers{unknown: tc.unknown}
			key := newKey(t, softkey.Options{PIN: tc.pin, Verify: f.verify, Fingers: []string{"thumb"}})
			if tc.protocols == nil {
				tc.protocols = []int{2, 1}
			}
			ui := &person{pin: "1234"}
			response, err := clientOf(ui, speaking(key, tc.protocols, !tc.withoutTokens)).
				Create(t.Context(), example.origin, example.creation(with("authenticatorSelection.userVerification", "required")))
			require.ErrorIs(t, err, tc.want)
			require.Equal(t, tc.verifies, ui.verifies)
			require.Len(t, ui.pins, tc.typed)
			require.Zero(t, ui.open)
			require.Equal(t, tc.touchesExpecting, key.Touches(), "a finger is a touch")
			if tc.want == nil {
				require.NotZero(t, example.register(t, response).flags&uv)
			}
		})
	}
}

// A sensor that is blocked is not asked again: the PIN at once, which lifts the block.
func TestBlockedSensor(t *testing.T) {
	f := &fingers{unknown: 5}
	key := newKey(t, softkey.Options{PIN: []byte("1234"), Verify: f.verify, Fingers: []string{"thumb"}})
	client := clientOf(nil, key)
	for range 2 {
		_, err := client.Create(t.Context(), example.origin, example.creation())
		require.Error(t, err)
	}
	_, err := client.Create(t.Context(), example.origin, example.creation())
	require.ErrorIs(t, err, authenticator.ErrPINRequired, "blocked, and nobody to ask for the PIN")
	ui := &person{pin: "1234"}
	_, err = clientOf(ui, key).Create(t.Context(), example.origin, example.creation())
	require.NoError(t, err)
	require.Zero(t, ui.verifies)
	require.Len(t, ui.pins, 1)
	_, err = clientOf(ui, key).Create(t.Context(), example.origin, example.creation())
	require.NoError(t, err)
	require.Equal(t, 1, ui.verifies)
}

func TestVerificationSettings(t *testing.T) {
	const uv = 0x04
	discouraged := with("authenticatorSelection.userVerification", "discouraged")
	notDiscoverable := with("authenticatorSelection.residentKey", "discouraged")
	for _, tc := range []struct {
		name  string
		key   softkey.Options
		flags byte
		typed int
		want  error
	}{
		{"plain", softkey.Options{PIN: []byte("123456")}, 0, 0, nil},
		{"always", softkey.Options{PIN: []byte("123456"), AlwaysUV: true}, uv, 1, nil},
		{"always, by sensor", softkey.Options{AlwaysUV: true, Verify: (&fingers{}).verify, Fingers: []string{"x"}}, uv, 0, nil},
		{"always, and nothing to verify by", softkey.Options{AlwaysUV: true}, 0, 0, authenticator.ErrPINNotSet},
		{"no credential without", softkey.Options{PIN: []byte("123456"), UVForAll: true}, uv, 1, nil},
		{"PIN to be changed", softkey.Options{PIN: []byte("123456"), UVForAll: true, ForcePINChange: true}, 0, 0, authenticator.Status(0x37)},
		{"long PINs", softkey.Options{PIN: []byte("123456"), UVForAll: true, MinPINLength: 6}, uv, 1, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			ui := &person{pin: "123456"}
			response, err := clientOf(ui, newKey(t, tc.key)).Create(t.Context(), example.origin, example.creation(discouraged, notDiscoverable))
			require.ErrorIs(t, err, tc.want)
			require.Len(t, ui.pins, tc.typed)
			if tc.key.MinPINLength > 0 {
				require.Equal(t, tc.key.MinPINLength, ui.pins[0].MinLength)
			}
			if err == nil {
				require.Equal(t, tc.flags, example.register(t, response).flags&uv)
			}
		})
	}
}

// An alwaysUv key signs for nobody unverified either.
func TestAlwaysUVSignIn(t *testing.T) {
	key := newKey(t, softkey.Options{PIN: []byte("1234"), AlwaysUV: true})
	ui := &person{pin: "1234"}
	client := clientOf(ui, key)
	response, err := client.Create(t.Context(), example.origin, example.creation())
	require.NoError(t, err)
	r := example.register(t, response)
	response, err = client.Get(t.Context(), example.origin, example.request(with("userVerification", "discouraged")))
	require.NoError(t, err)
	require.NotZero(t, example.signIn(t, response, r.public).flags&0x04)
	require.Len(t, ui.pins, 2)
}
