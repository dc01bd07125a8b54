package authenticator_test

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/fxamacker/cbor/v2"
	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/authenticator"
	"github.com/lakekey/lakekey/authenticator/softkey"
)

// answering is a key's good response.
func answering(members map[int]any) []byte { return append([]byte{0}, must(cbor.Marshal(members))...) }

// A key that signs with more credentials than those it was asked for, or twice with one,
// does not have the person choose among them.
func TestExtraAssertions(t *testing.T) {
	key := newKey(t, softkey.Options{})
	response, err := clientOf(nil, key).Create(t.Context(), example.origin, example.creation())
	require.NoError(t, err)
	r := example.register(t, response)
	other := bytes.Repeat([]byte("x"), len(r.id))
	for _, tc := range []struct {
		name  string
		allow []object
		next  []byte
		says  string
	}{
		{"not on the list", allowing(r.id), other, "not asked for"},
		{"twice the same", allowing(r.id), r.id, "two assertions"},
		{"twice the same without a list", nil, r.id, "two assertions"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var first []byte
			lying := transportFunc(func(ctx context.Context, msg []byte) ([]byte, error) {
				if msg[0] == 0x08 {
					return bytes.ReplaceAll(first, r.id, tc.next), nil
				}
				response, err := key.CBOR(ctx, msg)
				if msg[0] != 0x02 || err != nil || response[0] != 0 {
					return response, err
				}
				first = bytes.Clone(response)
				var members map[int]any
				if err := cbor.Unmarshal(response[1:], &members); err != nil {
					return nil, err
				}
				members[5] = 2
				return answering(members), nil
			})
			ui := &person{}
			change := func(object) {}
			if tc.allow != nil {
				change = with("allowCredentials", tc.allow)
			}
			response, err := clientOf(ui, lying).Get(t.Context(), example.origin, example.request(change))
			require.ErrorContains(t, err, tc.says)
			require.Nil(t, response)
			require.Empty(t, ui.accounts)
		})
	}
}

// A sensor that knows nobody, of a key that recommends to go on for ever.
func TestSensorThatWantsMore(t *testing.T) {
	tries := 0
	lying := transportFunc(func(_ context.Context, msg []byte) ([]byte, error) {
		switch msg[0] {
		case 0x04:
			return answering(map[int]any{1: []string{"FIDO_2_1"}, 3: make([]byte, 16), 4: map[string]bool{"uv": true}, 17: 1 << 40}), nil
		case 0x06:
			return answering(map[int]any{5: 3}), nil
		default:
			tries++
			return []byte{0x3F}, nil
		}
	})
	ui := &person{}
	_, err := clientOf(ui, lying).Get(t.Context(), example.origin, example.request())
	require.ErrorIs(t, err, authenticator.Status(0x3F))
	require.Equal(t, 25, tries)
	require.Equal(t, 25, ui.verifies)
}

// A key that has a thousand credentials at each of a thousand relying parties.
func TestEndlessListing(t *testing.T) {
	key := newKey(t, softkey.Options{PIN: []byte("1234")})
	commands := 0
	lying := transportFunc(func(ctx context.Context, msg []byte) ([]byte, error) {
		if msg[0] != 0x0A {
			return key.CBOR(ctx, msg)
		}
		commands++
		return answering(map[int]any{
			3: map[string]any{"id": "example.org"}, 4: make([]byte, 32), 5: 1000,
			6: map[string]any{"id": []byte("user")}, 7: map[string]any{"id": []byte("id"), "type": "public-key"}, 8: map[int]any{3: -7}, 9: 1000,
		}), nil
	})
	all, err := manage(lying).Credentials(t.Context(), []byte("1234"))
	require.ErrorContains(t, err, "malformed data: a number of credentials")
	require.Nil(t, all)
	require.Less(t, commands, 5000)
}

// What a program keeps for a path is a Device, and the key there may be replaced.
func TestOldKeyIsReplacedByNewOne(t *testing.T) {
	old, key := newOldKey(t), newKey(t, softkey.Options{})
	line := &replaceable{old}
	d := authenticator.NewCTAP2(line, authenticator.Descriptor{})
	info, err := d.Info(t.Context())
	require.NoError(t, err)
	require.Equal(t, "U2F_V2", strings.Join(info.Versions, " "))
	line.U2FTransport = modern{key}
	client := authenticator.NewClient(authenticator.Devices(d), authenticator.Options{})
	response, err := client.Create(t.Context(), example.origin, example.creation())
	require.NoError(t, err)
	example.register(t, response)
}

type replaceable struct{ authenticator.U2FTransport }

type modern struct{ authenticator.Transport }

func (modern) MSG(context.Context, []byte) ([]byte, error) { return []byte{0x6D, 0x00}, nil }
