//go:build libfido2 && cgo

package authenticatortest_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/authenticator"
	"github.com/lakekey/lakekey/authenticator/authenticatortest"
	"github.com/lakekey/lakekey/authenticator/libfido2"
)

// departures are what the limits of go-libfido2 do to whole ceremonies.
var departures = []authenticatortest.Departure{
	{Row: "several accounts", Reason: "the first assertion is all that is returned: nobody is asked, and the newest account signs in", Says: "signed by credential"},
	{Row: "several accounts and nobody to choose", Reason: "the first assertion is all that is returned", Says: "error <nil>, want authenticator: several accounts match"},
	{Row: "PIN wrong until the key wants to be plugged in anew", Reason: "PINRetries does not tell that a PIN would be in vain", Says: "asked for a PIN that the key does not take: 4 questions"},
	{Row: "of two keys the wrong one says why", Reason: "a key is not asked in silence what it holds, and so the wrong one does not blink", Says: "deadline exceeded, want an IneligibleError"},
	{Row: "prf", Reason: "hmac-secret is not passed on, and the response says so", Says: `result of the registration: {"enabled":false}`},
}

func TestClientOverLibfido2(t *testing.T) {
	authenticatortest.TestClient(t, func(t testing.TB, ui authenticator.UI, keys ...authenticator.Transport) authenticatortest.Ceremonies {
		source, err := libfido2.NewSource()
		require.NoError(t, err)
		var devices []authenticator.Device
		for _, key := range keys {
			d, err := source.Open(authenticatortest.Plug(t, key).Path)
			require.NoError(t, err)
			t.Cleanup(func() { d.Close() })
			devices = append(devices, d)
		}
		return authenticator.NewClient(authenticator.Devices(devices...), authenticator.Options{UI: ui})
	}, departures...)
}
