package authenticator_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/authenticator"
	"github.com/lakekey/lakekey/authenticator/softkey"
)

// results are the prf outputs of a response.
func results(t *testing.T, response []byte) (enabled *bool, first, second string) {
	t.Helper()
	var o struct {
		ClientExtensionResults struct {
			PRF *struct {
				Enabled *bool
				Results *struct{ First, Second string }
			}
		}
	}
	require.NoError(t, json.Unmarshal(response, &o))
	p := o.ClientExtensionResults.PRF
	require.NotNil(t, p)
	if p.Results == nil {
		return p.Enabled, "", ""
	}
	return p.Enabled, p.Results.First, p.Results.Second
}

func TestPRF(t *testing.T) {
	one, two := b64([]byte("one")), b64([]byte("two"))
	prf := func(v any) func(object) { return with("extensions", object{"prf": v}) }
	for _, protocol := range []int{1, 2} {
		key := newKey(t, softkey.Options{PIN: []byte("1234")})
		ui := &person{pin: "1234"}
		client := clientOf(ui, speaking(key, []int{protocol}, true))
		register := func(user string, change ...func(object)) *registered {
			response, err := client.Create(t.Context(), example.origin, example.creation(append(change, with("user.id", b64([]byte(user))))...))
			require.NoError(t, err)
			return example.register(t, response)
		}
		response, err := client.Create(t.Context(), example.origin, example.creation(prf(object{})))
		require.NoError(t, err)
		enabled, first, _ := results(t, response)
		require.True(t, *enabled)
		require.Empty(t, first)
		a := example.register(t, response)
		require.Equal(t, map[string]any{"hmac-secret": true}, a.extension)
		b := register("b", prf(object{}))
		without := register("c")

		get := func(change ...func(object)) (string, string) {
			t.Helper()
			response, err := client.Get(t.Context(), example.origin, example.request(change...))
			require.NoError(t, err)
			_, first, second := results(t, response)
			return first, second
		}
		allow := with("allowCredentials", allowing(a.id))
		x, none := get(allow, prf(object{"eval": object{"first": one}}))
		require.Len(t, x, 43)
		require.Empty(t, none)
		y, again := get(allow, prf(object{"eval": object{"first": two, "second": one}}))
		require.Equal(t, x, again, "the same input, the same secret")
		require.NotEqual(t, x, y)

		// Verified whatever the relying party asks for: another secret otherwise.
		typed := len(ui.pins)
		z, _ := get(allow, with("userVerification", "discouraged"), prf(object{"eval": object{"first": one}}))
		require.Equal(t, x, z)
		require.Len(t, ui.pins, typed+1)

		// Inputs of its own for a credential.
		other, _ := get(with("allowCredentials", allowing(b.id)), prf(object{"eval": object{"first": one}}))
		require.NotEqual(t, x, other)
		byID, _ := get(with("allowCredentials", allowing([]byte("unknown"), b.id)), prf(object{"eval": object{"first": two}, "evalByCredential": object{b64(b.id): object{"first": one}}}))
		require.Equal(t, other, byID)
		fallback, _ := get(allow, prf(object{"eval": object{"first": two}, "evalByCredential": object{b64(a.id): object{"first": one}}}))
		require.Equal(t, x, fallback)
		nothing, _ := get(with("allowCredentials", allowing(without.id)), prf(object{"eval": object{"first": one}}))
		require.Empty(t, nothing, "made without the extension")

		for _, bad := range []object{
			{"eval": object{}}, {"evalByCredential": object{"": object{"first": one}}}, {"evalByCredential": object{"=": object{"first": one}}},
			{"evalByCredential": object{b64(b.id): object{"first": one}}}, {"evalByCredential": object{b64(a.id): object{}}}, {"eval": object{"first": 3}},
		} {
			_, err := client.Get(t.Context(), example.origin, example.request(allow, prf(bad)))
			require.Error(t, err, "%v", bad)
		}
		_, err = client.Create(t.Context(), example.origin, example.creation(prf(object{"evalByCredential": object{}})))
		require.ErrorContains(t, err, "by credential")
	}
}

// A key without hmac-secret, and one that answers with something else than secrets.
func TestPRFUnsupported(t *testing.T) {
	old := newOldKey(t)
	prf := with("extensions", object{"prf": object{"eval": object{"first": "AA"}}})
	response, err := clientOf(nil, old).Create(t.Context(), example.origin, example.creation(prf, with("authenticatorSelection.residentKey", "discouraged")))
	require.NoError(t, err)
	enabled, _, _ := results(t, response)
	require.False(t, *enabled)
	id := attestationObject(t, response).AuthData[55:119]
	response, err = clientOf(nil, old).Get(t.Context(), example.origin, example.request(prf, with("allowCredentials", allowing(id))))
	require.NoError(t, err)
	_, first, _ := results(t, response)
	require.Empty(t, first)

	key := newKey(t, softkey.Options{PIN: []byte("1234")})
	ui := &person{pin: "1234"}
	_, err = clientOf(ui, key).Create(t.Context(), example.origin, example.creation(prf))
	require.NoError(t, err)
	hostile := tamper{key, func(command byte, response []byte) []byte {
		if command == 2 {
			return bytesReplaced(response, "hmac-secret\x58\x30", "hmac-secret\x58\x2F")
		}
		return response
	}}
	_, err = clientOf(ui, hostile).Get(t.Context(), example.origin, example.request(prf))
	require.Error(t, err)
	_, err = authenticator.NewCTAP2(key, authenticator.Descriptor{}).GetAssertion(t.Context(), &authenticator.GetAssertionRequest{
		ClientDataHash: make([]byte, 32), RPID: "example.org", Salts: [][]byte{{1}}})
	require.ErrorContains(t, err, "32 bytes")
}

// The relying party learns the key's minimum PIN length if the key's owner lets it.
func TestMinPINLengthExtension(t *testing.T) {
	client := clientOf(nil, newKey(t, softkey.Options{}))
	response, err := client.Create(t.Context(), example.origin, example.creation(with("extensions", object{"minPinLength": true})))
	require.NoError(t, err)
	require.Empty(t, example.register(t, response).extension, "nobody was let")
}
