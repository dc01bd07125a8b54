package authenticator_test

import (
	"bytes"
	"context"
	"crypto/ecdh"
	"encoding/hex"
	"fmt"
	"testing"

	"github.com/fxamacker/cbor/v2"
	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/authenticator"
	"github.com/lakekey/lakekey/authenticator/softkey"
)

// speaking makes a key say which PIN/UV auth protocols it speaks and whether it has
// tokens with permissions.
func speaking(key authenticator.Transport, protocols []int, tokens bool) authenticator.Transport {
	return tamper{key, func(command byte, response []byte) []byte {
		if command != 0x04 {
			return response
		}
		var info map[int]any
		if err := cbor.Unmarshal(response[1:], &info); err != nil {
			panic(err)
		}
		info[6] = protocols
		options := info[4].(map[any]any)
		options["pinUvAuthToken"] = tokens
		return append([]byte{0}, must(must(cbor.CTAP2EncOptions().EncMode()).Marshal(info))...)
	}}
}

func TestUserVerification(t *testing.T) {
	const uv, up = 0x04, 0x01
	for _, protocol := range []int{1, 2} {
		for _, tokens := range []bool{true, false} {
			t.Run(fmt.Sprintf("protocol %d, permissions %t", protocol, tokens), func(t *testing.T) {
				key := newKey(t, softkey.Options{PIN: []byte("пароль")})
				ui := &person{pin: "пароль"}
				client := clientOf(ui, speaking(key, []int{protocol}, tokens))
				response, err := client.Create(t.Context(), example.origin, example.creation(with("authenticatorSelection.userVerification", "required")))
				require.NoError(t, err)
				r := example.register(t, response)
				require.NotZero(t, r.flags&uv)
				for _, tc := range []struct {
					requirement string
					flags       byte
					pins        int
				}{{"required", up | uv, 1}, {"preferred", up | uv, 1}, {"", up | uv, 1}, {"nonsense", up | uv, 1}, {"discouraged", up, 0}} {
					ui.pins = nil
					response, err = client.Get(t.Context(), example.origin, example.request(with("userVerification", tc.requirement)))
					require.NoError(t, err)
					require.Equal(t, tc.flags, example.signIn(t, response, r.public).flags, tc.requirement)
					require.Len(t, ui.pins, tc.pins, tc.requirement)
				}
				for _, typed := range ui.typed {
					require.Equal(t, make([]byte, len(typed)), typed, "the PIN was not overwritten")
				}
			})
		}
	}
}

func TestVerificationWithoutPIN(t *testing.T) {
	key := newKey(t, softkey.Options{})
	ui := &person{}
	client := clientOf(ui, key)
	_, err := client.Get(t.Context(), example.origin, example.request(with("userVerification", "required")))
	require.ErrorIs(t, err, authenticator.ErrPINNotSet)
	_, err = client.Create(t.Context(), example.origin, example.creation(with("authenticatorSelection.userVerification", "preferred")))
	require.NoError(t, err, "preferred is no demand")
	require.Empty(t, ui.pins)
	require.Equal(t, 1, key.Touches())
}

// A discoverable credential on a key with a PIN needs it even where the relying party
// would do without; one that is not discoverable does not.
func TestDiscouragedOnAProtectedKey(t *testing.T) {
	ui := &person{pin: "1234"}
	client := clientOf(ui, newKey(t, softkey.Options{PIN: []byte("1234")}))
	discouraged := with("authenticatorSelection.userVerification", "discouraged")
	_, err := client.Create(t.Context(), example.origin, example.creation(discouraged))
	require.NoError(t, err)
	require.Len(t, ui.pins, 1)
	_, err = client.Create(t.Context(), example.origin, example.creation(discouraged, with("authenticatorSelection.residentKey", "discouraged")))
	require.NoError(t, err)
	require.Len(t, ui.pins, 1)
}

func TestWrongPIN(t *testing.T) {
	key := newKey(t, softkey.Options{PIN: []byte("1234")})
	ui := &person{pin: "4321"}
	var tries int
	counted := tamper{key, func(command byte, response []byte) []byte {
		if command == 0x06 && (response[0] == 0x31 || response[0] == 0x34) {
			tries++
		}
		return response
	}}
	client := clientOf(ui, counted)
	get := func() error {
		_, err := client.Get(t.Context(), example.origin, example.request(with("userVerification", "required")))
		return err
	}
	pinError := func(err error) *authenticator.PINError {
		t.Helper()
		var e *authenticator.PINError
		require.ErrorAs(t, err, &e)
		return e
	}

	// The same wrong PIN is asked for again and not sent again.
	err := get()
	require.Equal(t, &authenticator.PINError{Retries: 7, Status: 0x31}, pinError(err))
	require.NotErrorIs(t, err, authenticator.ErrPINRequired)
	require.Equal(t, 1, tries, "a PIN was retried")
	require.Len(t, ui.pins, 2)
	require.Equal(t, authenticator.PINPrompt{RPID: "example.org", Device: authenticator.Descriptor{Product: "test key"}, Retries: 8, MinLength: 4}, ui.pins[0])
	require.Equal(t, 7, ui.pins[1].Retries)
	require.True(t, ui.pins[1].Wrong)

	// Other ones are, until the key wants to be plugged in anew. Then nobody is asked,
	// not even for the right PIN.
	ui.slips, ui.pins = []string{"1111", "2222", "3333"}, nil
	require.Equal(t, &authenticator.PINError{Retries: 5, PowerCycleNeeded: true, Status: 0x34}, pinError(get()))
	require.Len(t, ui.pins, 2)
	ui.pin, ui.slips, ui.pins = "1234", nil, nil
	err = get()
	require.Equal(t, &authenticator.PINError{Retries: 5, PowerCycleNeeded: true, Status: 0x34}, pinError(err))
	require.ErrorContains(t, err, "plug it in again")
	require.Empty(t, ui.pins)
	require.Equal(t, 3, tries)

	require.NoError(t, key.PowerCycle())
	_, err = client.Create(t.Context(), example.origin, example.creation())
	require.NoError(t, err)
	ui.slips = []string{"9999"}
	require.NoError(t, get(), "the second try is the right one")
	require.Len(t, ui.pins, 3)
	require.NoError(t, get())
	require.Equal(t, 8, ui.pins[3].Retries, "the right PIN resets the count")

	ui.pin = "0000"
	for n := 7; n >= 1; n-- {
		ui.pins = nil
		require.Equal(t, n, pinError(get()).Retries)
		require.Equal(t, n >= 3, len(ui.pins) == 2, "the last ones are for who has thought about it")
		require.NoError(t, key.PowerCycle())
	}
	require.Equal(t, &authenticator.PINError{Retries: 0, Status: 0x32}, pinError(get()))
	ui.pin, ui.pins = "1234", nil
	require.ErrorContains(t, get(), "must be reset")
	require.Empty(t, ui.pins)
	for _, typed := range ui.typed {
		require.Equal(t, make([]byte, len(typed)), typed, "the PIN was not overwritten")
	}
}

func TestPINNeedsAnAnswer(t *testing.T) {
	key := newKey(t, softkey.Options{PIN: []byte("1234")})
	required := with("userVerification", "required")
	_, err := clientOf(nil, key).Get(t.Context(), example.origin, example.request(required))
	require.ErrorIs(t, err, authenticator.ErrPINRequired)
	for _, pin := range []string{"", "123", "ééé", string(bytes.Repeat([]byte("1"), 64)), "\xff\xff\xff\xff"} {
		_, err = clientOf(&person{pin: pin}, key).Get(t.Context(), example.origin, example.request(required))
		require.Error(t, err, pin)
	}
	state, err := authenticator.NewCTAP2(key, authenticator.Descriptor{}).PINRetries(t.Context())
	require.NoError(t, err)
	require.Equal(t, authenticator.PINState{Retries: 8}, state, "what cannot be a PIN cost a retry")
}

// "The platform … PIN … UTF-8 … in Normalization Form C": the same PIN typed on
// another keyboard is the same PIN.
func TestPINIsNormalised(t *testing.T) {
	composed, decomposed := "caf\u00e9", "cafe\u0301"
	key := newKey(t, softkey.Options{PIN: []byte(composed)})
	ui := &person{pin: decomposed}
	_, err := clientOf(ui, key).Create(t.Context(), example.origin, example.creation())
	require.NoError(t, err)
	require.Equal(t, make([]byte, len(decomposed)), ui.typed[0])
}

func TestForcedPINChange(t *testing.T) {
	key := newKey(t, softkey.Options{PIN: []byte("1234")})
	forced := tamper{key, func(command byte, response []byte) []byte {
		if command != 0x04 {
			return response
		}
		var info map[int]any
		require.NoError(t, cbor.Unmarshal(response[1:], &info))
		info[0x0C] = true
		return append([]byte{0}, must(must(cbor.CTAP2EncOptions().EncMode()).Marshal(info))...)
	}}
	ui := &person{pin: "1234"}
	_, err := clientOf(ui, forced).Get(t.Context(), example.origin, example.request(with("userVerification", "required")))
	require.ErrorIs(t, err, authenticator.Status(0x37))
	require.ErrorContains(t, err, "changed first")
	require.Empty(t, ui.pins)
}

// expect: computed with python's cryptography package from CTAP 2.1 §6.5.6 and 6.5.7
// for the private keys 1 (the key's) and 2 (the platform's).
func TestPINProtocolVectors(t *testing.T) {
	scalar := func(n byte) []byte { return append(make([]byte, 31), n) }
	peer := must(ecdh.P256().NewPrivateKey(scalar(1))).PublicKey().Bytes()
	platform := must(ecdh.P256().NewPrivateKey(scalar(2)))
	message := bytes.Repeat([]byte{0xab}, 32)
	for _, v := range pinVectors {
		hmacKey, aesKey, encrypt, err := authenticator.PINVector(v.protocol, platform, peer[1:33], peer[33:])
		require.NoError(t, err)
		require.Equal(t, v.hmacKey, hex.EncodeToString(hmacKey))
		require.Equal(t, v.aesKey, hex.EncodeToString(aesKey))
		require.Equal(t, v.proof, hex.EncodeToString(authenticator.TokenProof(v.protocol, scalar(3), message)))
		sealed, err := encrypt(message)
		require.NoError(t, err)
		if v.sealed != "" {
			require.Equal(t, v.sealed, hex.EncodeToString(sealed))
		} else {
			require.Len(t, sealed, 48, "a random IV and the ciphertext")
			again, err := encrypt(message)
			require.NoError(t, err)
			require.NotEqual(t, sealed, again)
		}
	}
	for _, bad := range [][]byte{make([]byte, 32), bytes.Repeat([]byte{0xff}, 32), {1}} {
		_, _, _, err := authenticator.PINVector(2, platform, bad, bad)
		require.Error(t, err, "not a point of the curve")
	}
}

// A key with a sensor verifies by itself, with a token if it has them and by the uv
// option if not; the PIN is not asked for.
func TestBuiltInVerification(t *testing.T) {
	ui := &person{pin: "1234"}
	var sent []map[int]any
	key := transportFunc(func(_ context.Context, msg []byte) ([]byte, error) {
		switch msg[0] {
		case 0x04:
			return append([]byte{0}, must(cbor.Marshal(map[int]any{
				1: []string{"FIDO_2_0"}, 3: make([]byte, 16), 4: map[string]bool{"uv": true, "rk": true}}))...), nil
		default:
			var m map[int]any
			require.NoError(t, cbor.Unmarshal(msg[1:], &m))
			sent = append(sent, m)
			return []byte{0x3F}, nil
		}
	})
	_, err := clientOf(ui, key).Get(t.Context(), example.origin, example.request(with("userVerification", "required")))
	require.ErrorIs(t, err, authenticator.Status(0x3F))
	require.ErrorContains(t, err, "not recognised")
	// The key is asked how often it may be wrong, and three times for a finger.
	require.Equal(t, map[any]any{"uv": true}, sent[1][5])
	require.Equal(t, 3, ui.verifies)
	require.False(t, ui.prompts[0].Again)
	require.True(t, ui.prompts[1].Again)
}

// pinVectors are what another implementation of the same algorithms computed.
var pinVectors = []struct {
	protocol                       int
	hmacKey, aesKey, proof, sealed string // sealed only where the IV is fixed
}{
	{
		protocol: 1,
		hmacKey:  "23775201799b2234a18e8071e409cec80d42632fe77534180afdc533c9b76f81",
		aesKey:   "23775201799b2234a18e8071e409cec80d42632fe77534180afdc533c9b76f81",
		proof:    "ac319f4e983d331f6dde94da58dd785a",
		sealed:   "326212be6351dc69617da67d06605236725813c370aee4985ca0f75463787777",
	},
	{
		protocol: 2,
		hmacKey:  "64ca541c7473e4a526a447a65f24c755d6098f8341d6731894bb241e6a6bf289",
		aesKey:   "ffdd11da665666f9e5a99ba18a1cf674a4f1adf68a436bf9d7f219980910e877",
		proof:    "ac319f4e983d331f6dde94da58dd785aadd8e3e9400c509fe66f79153d73dfff",
	},
}
