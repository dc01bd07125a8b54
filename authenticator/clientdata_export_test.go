package authenticator_test

import (
	"encoding/base64"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/authenticator"
	"github.com/lakekey/lakekey/authenticator/softkey"
)

// What CollectClientData settles is what a Client signs.
func TestCollectClientDataIsWhatAClientSigns(t *testing.T) {
	client := clientOf(nil, newKey(t, softkey.Options{}))
	signed := func(response []byte, err error) string {
		require.NoError(t, err)
		var o struct {
			Response struct{ ClientDataJSON string }
		}
		require.NoError(t, json.Unmarshal(response, &o))
		return string(must(base64.RawURLEncoding.DecodeString(o.Response.ClientDataJSON)))
	}
	for _, origin := range []string{example.origin, "HTTPS://Login.Example.org:443", "https://example.org:8443"} {
		created, err := authenticator.CollectClientData(origin, example.creation(), true)
		require.NoError(t, err)
		require.Equal(t, signed(client.Create(t.Context(), origin, example.creation())), string(created.JSON))
		used, err := authenticator.CollectClientData(origin, example.request(), false)
		require.NoError(t, err)
		require.Equal(t, signed(client.Get(t.Context(), origin, example.request())), string(used.JSON))
		require.Equal(t, example.rpID, used.RPID)
		require.Contains(t, string(used.JSON), `"origin":"`+used.Origin+`"`)
	}
	// An RP ID that the options leave out is the origin's host; a wrapper changes nothing.
	got, err := authenticator.CollectClientData("https://sso.example.org", []byte(`{"publicKey":{"challenge":"AAAA"}}`), false)
	require.NoError(t, err)
	require.Equal(t, "sso.example.org", got.RPID)
}

func TestCollectClientDataRefusesAsAClientDoes(t *testing.T) {
	for _, origin := range []string{"http://login.example.org", "https://example.org.evil.example", "https://example.org/", ""} {
		got, err := authenticator.CollectClientData(origin, example.request(), false)
		require.ErrorIs(t, err, authenticator.ErrOrigin, origin)
		require.Nil(t, got)
	}
	for _, options := range []string{"", "{}", `{"rpId":"example.org"}`, `{"challenge":"="}`, `{"challenge":"AAAA"} x`} {
		got, err := authenticator.CollectClientData(example.origin, []byte(options), false)
		require.Error(t, err, options)
		require.Nil(t, got)
	}
}
