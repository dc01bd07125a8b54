package authenticator_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/authenticator"
	"github.com/lakekey/lakekey/authenticator/softkey"
)

// What a broken or hostile key may answer yields an error and nothing else.
func TestHostileKey(t *testing.T) {
	good := newKey(t, softkey.Options{})
	_, err := clientOf(nil, good).Create(t.Context(), example.origin, example.creation())
	require.NoError(t, err)
	rpHash := sha256.Sum256([]byte(example.rpID))
	for _, tc := range []struct {
		name    string
		command byte
		change  func(response []byte) []byte
	}{
		{"nothing", 0x02, func([]byte) []byte { return nil }},
		{"nothing for info", 0x04, func([]byte) []byte { return nil }},
		{"a status and no data", 0x02, func([]byte) []byte { return []byte{0} }},
		{"an unknown status", 0x02, func([]byte) []byte { return []byte{0xF3} }},
		{"cut short", 0x02, func(r []byte) []byte { return r[:len(r)-1] }},
		{"something behind", 0x02, func(r []byte) []byte { return append(r, 0) }},
		{"too much", 0x02, func(r []byte) []byte { return append(r, make([]byte, 8000)...) }},
		{"another RP ID", 0x02, func(r []byte) []byte { return bytesReplaced(r, string(rpHash[:]), strings.Repeat("x", 32)) }},
		{"no touch", 0x02, func(r []byte) []byte { return bytesReplaced(r, string(rpHash[:])+"\x01", string(rpHash[:])+"\x00") }},
		{"another kind of data", 0x01, func(r []byte) []byte { return bytesReplaced(r, string(rpHash[:])+"\x41", string(rpHash[:])+"\x01") }},
		{"another algorithm", 0x01, func(r []byte) []byte { return bytesReplaced(r, "\xA5\x01\x02\x03\x26", "\xA5\x01\x02\x03\x25") }},
		{"not a point", 0x01, func(r []byte) []byte {
			i := bytes.Index(r, []byte("\x20\x01\x21\x58\x20"))
			clear(r[i+5 : i+37])
			return r
		}},
		{"no versions", 0x04, func(r []byte) []byte { return bytesReplaced(r, "\x01\x82\x68FIDO_2_0\x68FIDO_2_1", "\x01\x80") }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			hostile := tamper{good, func(command byte, response []byte) []byte {
				if command != tc.command {
					return response
				}
				return tc.change(bytes.Clone(response))
			}}
			client := clientOf(nil, hostile)
			run := client.Get
			options := example.request()
			if tc.command == 0x01 {
				run, options = client.Create, example.creation()
			}
			response, err := run(t.Context(), example.origin, options)
			require.Error(t, err)
			require.Nil(t, response)
			require.NotErrorIs(t, err, context.Canceled)
		})
	}
}

// A key that did not verify the user must not pass for one that did.
func TestKeyThatSkipsVerification(t *testing.T) {
	key := newKey(t, softkey.Options{PIN: []byte("1234")})
	rpHash := sha256.Sum256([]byte(example.rpID))
	client := clientOf(&person{pin: "1234"}, tamper{key, func(command byte, response []byte) []byte {
		if command == 0x01 {
			return bytesReplaced(response, string(rpHash[:])+"\x45", string(rpHash[:])+"\x41")
		}
		return response
	}})
	_, err := client.Create(t.Context(), example.origin, example.creation(with("authenticatorSelection.userVerification", "required")))
	require.ErrorContains(t, err, "without user verification")
}

// A credential that was not asked for is not passed on as if it were.
func TestAssertionByAnotherCredential(t *testing.T) {
	key := newKey(t, softkey.Options{})
	client := clientOf(nil, key)
	response, err := client.Create(t.Context(), example.origin, example.creation())
	require.NoError(t, err)
	r := example.register(t, response)
	swapping := tamper{key, func(command byte, response []byte) []byte {
		if command == 0x02 {
			return bytesReplaced(response, string(r.id), strings.Repeat("x", len(r.id)))
		}
		return response
	}}
	_, err = clientOf(nil, swapping).Get(t.Context(), example.origin, example.request(with("allowCredentials", allowing(r.id))))
	require.ErrorContains(t, err, "not asked for")
}

func TestStatusNames(t *testing.T) {
	for s, name := range map[authenticator.Status]string{
		authenticator.ErrExcluded: "CTAP2_ERR_CREDENTIAL_EXCLUDED", 0xF3: "CTAP2_ERR_VENDOR_0xF3", 0xE0: "CTAP2_ERR_EXTENSION_0xE0", 0x70: "CTAP_ERR_0x70",
	} {
		require.Contains(t, s.Error(), "the key answered "+name)
	}
	named := 0
	for s := range 256 {
		if text := authenticator.Status(s).Error(); !strings.Contains(text, "_0x") {
			named++
		}
		require.True(t, strings.HasPrefix(authenticator.Status(s).Error(), "authenticator: "))
	}
	require.Equal(t, 49, named, "codes of CTAP 2.1 §8.2, and two that only 2.0 has")
}

type failingSource struct{ error }

func (s failingSource) Devices(context.Context) ([]authenticator.Device, error) { return nil, s.error }

func TestFailuresAround(t *testing.T) {
	boom := errors.New("boom")
	_, err := authenticator.NewClient(failingSource{boom}, authenticator.Options{}).Get(t.Context(), example.origin, example.request())
	require.ErrorIs(t, err, boom)
	_, err = clientOf(nil, transportFunc(func(context.Context, []byte) ([]byte, error) { return nil, boom })).
		Get(t.Context(), example.origin, example.request())
	require.ErrorIs(t, err, boom)

	key := newKey(t, softkey.Options{})
	device := authenticator.NewCTAP2(key, authenticator.Descriptor{Path: "p"})
	require.NoError(t, device.Close())
	require.NoError(t, device.Close())
	_, err = device.Info(t.Context())
	require.ErrorContains(t, err, "closed")
	require.Equal(t, "p", device.Descriptor().Path)
	_, err = key.CBOR(t.Context(), []byte{4})
	require.ErrorContains(t, err, "closed", "closing the device closes its transport")
}

// The log says what happened and holds nothing that a person typed or a key signed.
func TestLogHoldsNoSecret(t *testing.T) {
	var log bytes.Buffer
	key := newKey(t, softkey.Options{PIN: []byte("hunter2")})
	client := authenticator.NewClient(authenticator.Devices(authenticator.NewCTAP2(key, authenticator.Descriptor{})), authenticator.Options{
		UI: &person{pin: "hunter2"}, Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	_, err := client.Create(t.Context(), example.origin, example.creation())
	require.NoError(t, err)
	require.Contains(t, log.String(), "rp_id=example.org")
	require.NotContains(t, log.String(), "hunter2")
	require.NotContains(t, log.String(), b64(challenge))
	require.NotContains(t, fmt.Sprintf("%v %+v %#v", client, client, client), "hunter2")
}
