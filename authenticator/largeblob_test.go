package authenticator_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/authenticator"
	"github.com/lakekey/lakekey/authenticator/softkey"
)

// blobResult is the largeBlob output of a response; nil members are not there.
type blobResult struct {
	Supported, Written *bool
	Blob               *string
}

func largeBlob(t testing.TB, response []byte) blobResult {
	t.Helper()
	var o struct {
		ClientExtensionResults struct{ LargeBlob *blobResult }
	}
	require.NoError(t, json.Unmarshal(response, &o))
	require.NotNil(t, o.ClientExtensionResults.LargeBlob, "%s", response)
	return *o.ClientExtensionResults.LargeBlob
}

func blobs(v object) func(object) { return with("extensions", object{"largeBlob": v}) }

// holder registers accounts on a key and reads and writes their blobs.
type holder struct {
	t      testing.TB
	client *authenticator.Client
}

func (h holder) register(user string) []byte {
	h.t.Helper()
	response, err := h.client.Create(h.t.Context(), example.origin, example.creation(with("user.id", b64([]byte(user))), blobs(object{"support": "required"})))
	require.NoError(h.t, err)
	require.True(h.t, *largeBlob(h.t, response).Supported)
	return example.register(h.t, response).id
}

func (h holder) write(id, blob []byte) bool {
	h.t.Helper()
	response, err := h.client.Get(h.t.Context(), example.origin, example.request(with("allowCredentials", allowing(id)), blobs(object{"write": b64(blob)})))
	require.NoError(h.t, err)
	result := largeBlob(h.t, response)
	require.Nil(h.t, result.Blob)
	return *result.Written
}

// read returns nil where there is no blob.
func (h holder) read(id []byte) []byte {
	h.t.Helper()
	response, err := h.client.Get(h.t.Context(), example.origin, example.request(with("allowCredentials", allowing(id)), blobs(object{"read": true})))
	require.NoError(h.t, err)
	result := largeBlob(h.t, response)
	require.Nil(h.t, result.Written)
	if result.Blob == nil {
		return nil
	}
	return must(base64.RawURLEncoding.DecodeString(*result.Blob))
}

func noise(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}

func TestLargeBlob(t *testing.T) {
	for name, key := range map[string]authenticator.Transport{
		"PIN protocol 1": speaking(newKey(t, softkey.Options{PIN: []byte("1234")}), []int{1}, true),
		"PIN protocol 2": newKey(t, softkey.Options{PIN: []byte("1234")}),
		"sensor":         newKey(t, softkey.Options{Fingers: []string{"thumb"}, Verify: func(ctx context.Context) error { return ctx.Err() }}),
		"unprotected":    newKey(t, softkey.Options{}),
	} {
		t.Run(name, func(t *testing.T) {
			h := holder{t, clientOf(&person{pin: "1234"}, key)}
			ada, bob := h.register("ada"), h.register("bob")
			require.Nil(t, h.read(ada))
			for _, blob := range [][]byte{[]byte("a certificate"), {}, bytes.Repeat([]byte("packed "), 10000), noise(9000), []byte("short again")} {
				require.True(t, h.write(ada, blob))
				require.Equal(t, blob, h.read(ada))
				require.Nil(t, h.read(bob), "another account's")
			}
			require.True(t, h.write(bob, []byte("bob's")))
			require.Equal(t, []byte("short again"), h.read(ada), "what others wrote stays")

			// There is room for 16 kilobytes together.
			require.False(t, h.write(bob, noise(17000)))
			require.Equal(t, []byte("bob's"), h.read(bob))
		})
	}
}

// One touch and, if any, one PIN for the sign-in and its blob.
func TestLargeBlobTakesOneTouchAndOnePIN(t *testing.T) {
	key, ui := newKey(t, softkey.Options{PIN: []byte("1234")}), &person{pin: "1234"}
	h := holder{t, clientOf(ui, key)}
	id := h.register("ada")
	touches, pins := key.Touches(), len(ui.pins)
	discouraged := with("userVerification", "discouraged")
	response, err := h.client.Get(t.Context(), example.origin, example.request(discouraged, with("allowCredentials", allowing(id)), blobs(object{"write": "AAEC"})))
	require.NoError(t, err)
	require.True(t, *largeBlob(t, response).Written)
	require.Equal(t, []int{touches + 1, pins + 1}, []int{key.Touches(), len(ui.pins)}, "writing needs the PIN whatever the relying party asks for")
	response, err = h.client.Get(t.Context(), example.origin, example.request(discouraged, blobs(object{"read": true})))
	require.NoError(t, err)
	require.Equal(t, "AAEC", *largeBlob(t, response).Blob)
	require.Equal(t, []int{touches + 2, pins + 1}, []int{key.Touches(), len(ui.pins)}, "reading does not")
}

// Of several accounts, each has its own, with the one that is chosen.
func TestLargeBlobOfTheChosenAccount(t *testing.T) {
	ui := &person{pin: "1234"}
	h := holder{t, clientOf(ui, newKey(t, softkey.Options{PIN: []byte("1234")}))}
	for _, user := range []string{"ada", "bob", "eve"} {
		require.True(t, h.write(h.register(user), []byte(user)))
	}
	for i, want := range []string{"eve", "bob", "ada"} {
		ui.account = i
		response, err := h.client.Get(t.Context(), example.origin, example.request(blobs(object{"read": true})))
		require.NoError(t, err)
		require.Equal(t, b64([]byte(want)), *largeBlob(t, response).Blob)
	}
}

func TestLargeBlobSupport(t *testing.T) {
	key := newKey(t, softkey.Options{})
	client := clientOf(nil, key)
	supported := func(client *authenticator.Client, change ...func(object)) bool {
		t.Helper()
		response, err := client.Create(t.Context(), example.origin, example.creation(change...))
		require.NoError(t, err)
		return *largeBlob(t, response).Supported
	}
	require.True(t, supported(client, blobs(object{"support": "preferred"})))
	require.True(t, supported(client, blobs(object{})))
	require.True(t, supported(client, blobs(object{"support": "of a later edition"})))
	fleeting := with("authenticatorSelection.residentKey", "discouraged")
	require.False(t, supported(client, fleeting, blobs(object{"support": "preferred"})))
	_, err := client.Create(t.Context(), example.origin, example.creation(fleeting, blobs(object{"support": "required"})))
	require.ErrorContains(t, err, "residentKey")

	old := clientOf(nil, tamper{key, func(command byte, response []byte) []byte {
		if command == 4 {
			return bytesReplaced(response, "largeBlobKey", "largeBlobNot")
		}
		return response
	}})
	require.False(t, supported(old, blobs(object{"support": "preferred"})))
	_, err = old.Create(t.Context(), example.origin, example.creation(blobs(object{"support": "required"})))
	require.ErrorIs(t, err, authenticator.ErrNoDevice)
	id := holder{t, client}.register("ada")
	require.Nil(t, holder{t, old}.read(id))
	require.False(t, holder{t, old}.write(id, []byte("x")))

	for _, bad := range []object{{"read": true}, {"write": "AA"}} {
		_, err := client.Create(t.Context(), example.origin, example.creation(blobs(bad)))
		require.ErrorContains(t, err, "not there yet")
	}
	allow := with("allowCredentials", allowing(id))
	for message, change := range map[string][]func(object){
		"for a registration": {allow, blobs(object{"support": "required"})},
		"at once":            {allow, blobs(object{"read": true, "write": "AA"})},
		"the one credential": {blobs(object{"write": "AA"})},
		"do not parse":       {allow, blobs(object{"write": "="})},
	} {
		_, err := client.Get(t.Context(), example.origin, example.request(change...))
		require.ErrorContains(t, err, message)
	}
	_, err = client.Get(t.Context(), example.origin, example.request(with("allowCredentials", allowing(id, id)), blobs(object{"write": "AA"})))
	require.ErrorContains(t, err, "the one credential")
}

// A sign-in is good though its blob is not, and the caller learns why.
func TestLargeBlobErrors(t *testing.T) {
	key := newKey(t, softkey.Options{PIN: []byte("1234")})
	h := holder{t, clientOf(&person{pin: "1234"}, key)}
	id := h.register("ada")
	require.True(t, h.write(id, []byte("good")))
	get := func(k authenticator.Transport, change func(*authenticator.GetAssertionRequest)) authenticator.Assertion {
		t.Helper()
		req := &authenticator.GetAssertionRequest{ClientDataHash: make([]byte, 32), RPID: example.rpID, Allow: [][]byte{id}, PIN: []byte("1234"), ReadLargeBlob: true}
		if change != nil {
			change(req)
		}
		found, err := authenticator.NewCTAP2(k, authenticator.Descriptor{}).GetAssertion(t.Context(), req)
		require.NoError(t, err)
		require.NotEmpty(t, found[0].Signature)
		return found[0]
	}
	full := get(key, func(r *authenticator.GetAssertionRequest) { r.WriteLargeBlob = noise(20000) })
	require.ErrorIs(t, full.LargeBlobError, authenticator.Status(0x18))
	require.Nil(t, full.LargeBlob)
	unverified := get(key, func(r *authenticator.GetAssertionRequest) { r.PIN, r.WriteLargeBlob = nil, []byte("x") })
	require.ErrorIs(t, unverified.LargeBlobError, authenticator.Status(0x36))
	require.Equal(t, []byte("good"), get(key, nil).LargeBlob)

	answer := func(with []byte) authenticator.Transport {
		return tamper{key, func(command byte, response []byte) []byte {
			if command == 0x0C {
				return with
			}
			return response
		}}
	}
	for name, response := range map[string][]byte{
		"a refusal":  {0x30},
		"nonsense":   {0, 0xFF},
		"no bytes":   {0, 0xA0},
		"a wrong ID": {0, 0xA1, 0x01, 0x01},
	} {
		a := get(answer(response), nil)
		require.Error(t, a.LargeBlobError, name)
		require.Nil(t, a.LargeBlob, name)
	}
	// A key that never stops, and one whose array is damaged: that is no array.
	endless := append([]byte{0, 0xA1, 0x01, 0x59, 0x1D, 0x79}, make([]byte, 7545)...)
	require.ErrorContains(t, get(answer(endless), nil).LargeBlobError, "malformed")
	damaged := append([]byte{0, 0xA1, 0x01, 0x51, 0x81}, make([]byte, 16)...)
	a := get(answer(damaged), nil)
	require.NoError(t, a.LargeBlobError)
	require.Nil(t, a.LargeBlob)

	ctx, cancel := context.WithCancel(t.Context())
	cut := transportFunc(func(c context.Context, msg []byte) ([]byte, error) {
		if msg[0] == 0x0C {
			cancel()
			return nil, fmt.Errorf("test: %w", ctx.Err())
		}
		return key.CBOR(c, msg)
	})
	_, err := authenticator.NewCTAP2(cut, authenticator.Descriptor{}).GetAssertion(ctx, &authenticator.GetAssertionRequest{
		ClientDataHash: make([]byte, 32), RPID: example.rpID, Allow: [][]byte{id}, ReadLargeBlob: true})
	require.ErrorIs(t, err, context.Canceled)
}

// Whatever is kept: no panic, entries of others are written again as they were, and a
// blob that is added is found.
func FuzzLargeBlobs(f *testing.F) {
	f.Add([]byte{0x80}, []byte("blob"))
	f.Add([]byte("\x81\xa3\x01\x41x\x02\x4c123456789012\x03\x04"), []byte{})
	f.Add(authenticator.NewLargeBlobArray([]byte("another")), bytes.Repeat([]byte("packed"), 300))
	f.Add([]byte("\x83\x01\xa0\x81\xf6"), []byte{1})
	f.Fuzz(func(t *testing.T, array, blob []byte) {
		again, _, found, err := authenticator.LargeBlobs(array, blob)
		if err != nil {
			return
		}
		head := 1
		if again[0]&0x1F >= 24 {
			head += 1 << (again[0]&0x1F - 24)
		}
		if len(again) > len(array) || !bytes.HasSuffix(array, again[head:]) {
			t.Fatalf("% x became % x", array, again)
		}
		if !bytes.Equal(found, blob) {
			t.Fatalf("%x was found instead of %x", found, blob)
		}
	})
}
