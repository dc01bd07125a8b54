package softkey_test

import (
	"bytes"
	"testing"

	"github.com/fxamacker/cbor/v2"
	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/authenticator/softkey"
)

// The key's encoder against another implementation.
func TestEncode(t *testing.T) {
	for _, v := range []any{
		0, 23, 24, 255, 256, 65535, 65536, int64(1) << 32, -1, -24, -25, -257, uint32(7), "", "é", []byte{}, bytes.Repeat([]byte{1}, 300),
		true, false, []any{}, []any{1, "a", []byte{2}},
		map[any]any{}, map[any]any{1: 2, -1: 3, 24: 4, "a": 5, "bb": 6, "c": 7, 1000: []any{map[any]any{"z": false}}},
	} {
		require.Equal(t, encode(v), softkey.Encode(v), "%v", v)
	}
}

// What the decoder accepts is canonical by another implementation's account, and
// decodes to the same value there; what it refuses returns nothing.
func FuzzDecode(f *testing.F) {
	for _, v := range []any{creation(), request(), m{1: 2, 2: 9, 3: m{1: 2, 3: -25}}, []any{1, true, nil}, -1, "text"} {
		f.Add(encode(v))
	}
	f.Add([]byte{0xA1, 0x18, 0x01, 0x40})
	mode, err := cbor.DecOptions{IntDec: cbor.IntDecConvertSignedOrFail, DupMapKey: cbor.DupMapKeyEnforcedAPF, IndefLength: cbor.IndefLengthForbidden, TagsMd: cbor.TagsForbidden}.DecMode()
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, data []byte) {
		v, err := softkey.Decode(data)
		if err != nil {
			if v != nil {
				t.Fatalf("a failed parse returned %v", v)
			}
			return
		}
		var other any
		if err := mode.Unmarshal(data, &other); err != nil {
			t.Fatalf("accepted what another decoder refuses: %v", err)
		}
		if again := encode(v); !bytes.Equal(again, data) {
			t.Fatalf("accepted % x, which is canonically % x", data, again)
		}
		require.Equal(t, other, v)
	})
}

// The key answers every message with a status, and only that unless it is zero.
func FuzzCommand(f *testing.F) {
	f.Add([]byte{4})
	f.Add([]byte{})
	f.Add(append([]byte{1}, encode(creation())...))
	f.Add(append([]byte{2}, encode(request())...))
	f.Add(append([]byte{6}, encode(m{1: 2, 2: 2})...))
	f.Add(append([]byte{6}, encode(m{1: 2, 2: 9, 3: m{1: 2, 3: -25, -1: 1, -2: make([]byte, 32), -3: make([]byte, 32)}, 6: make([]byte, 32), 9: 1, 10: "x"})...))
	k := newKey(f, softkey.Options{PIN: []byte("1234")})
	f.Fuzz(func(t *testing.T, msg []byte) {
		response, err := k.CBOR(t.Context(), msg)
		if err != nil || len(response) == 0 {
			t.Fatalf("no status: %v", err)
		}
		if response[0] != 0 && len(response) != 1 {
			t.Fatalf("status 0x%02X with a response", response[0])
		}
	})
}

// extensionOutputs decodes a map with text keys by another implementation than the key's.
func extensionOutputs(t testing.TB, data []byte) map[string]any {
	t.Helper()
	var out map[string]any
	require.NoError(t, cbor.Unmarshal(data, &out))
	return out
}
