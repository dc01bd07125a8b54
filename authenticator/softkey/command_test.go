package softkey_test

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fxamacker/cbor/v2"
	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/authenticator/softkey"
)

func newKey(t testing.TB, o softkey.Options) *softkey.Key {
	t.Helper()
	k, err := softkey.New(o)
	require.NoError(t, err)
	return k
}

type m = map[any]any

// encode is canonical CBOR by another implementation than the key's.
func encode(v any) []byte {
	mode, err := cbor.CTAP2EncOptions().EncMode()
	if err != nil {
		panic(err)
	}
	b, err := mode.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}

// send returns the status and the decoded response.
func send(t testing.TB, k *softkey.Key, command byte, params any) (byte, map[int]any) {
	t.Helper()
	msg := []byte{command}
	if params != nil {
		msg = append(msg, encode(params)...)
	}
	return sendRaw(t, k, msg)
}

func sendRaw(t testing.TB, k *softkey.Key, msg []byte) (byte, map[int]any) {
	t.Helper()
	response, err := k.CBOR(t.Context(), msg)
	require.NoError(t, err)
	require.NotEmpty(t, response)
	var body map[int]any
	if len(response) > 1 {
		require.NoError(t, cbor.Unmarshal(response[1:], &body))
		require.Equal(t, encode(body), response[1:], "not canonical")
	}
	return response[0], body
}

func creation(change ...func(m)) m {
	r := m{
		1: make([]byte, 32),
		2: m{"id": "example.org", "name": "Example"},
		3: m{"id": []byte("user-1"), "name": "ada", "displayName": "Ada"},
		4: []m{{"alg": -7, "type": "public-key"}},
		7: m{"rk": true},
	}
	for _, f := range change {
		f(r)
	}
	return r
}

func request(change ...func(m)) m {
	r := m{1: "example.org", 2: make([]byte, 32)}
	for _, f := range change {
		f(r)
	}
	return r
}

func set(key, value any) func(m) { return func(r m) { r[key] = value } }
func drop(key any) func(m)       { return func(r m) { delete(r, key) } }

func TestGetInfo(t *testing.T) {
	status, info := send(t, newKey(t, softkey.Options{AAGUID: [16]byte{1, 2, 3}, PIN: []byte("1234")}), 4, nil)
	require.Zero(t, status)
	require.Equal(t, []any{"FIDO_2_0", "FIDO_2_1"}, info[1])
	require.Equal(t, append([]byte{1, 2, 3}, make([]byte, 13)...), info[3])
	require.Equal(t, map[any]any{
		"rk": true, "up": true, "plat": false, "clientPin": true, "pinUvAuthToken": true, "makeCredUvNotRqd": true,
		"credMgmt": true, "credentialMgmtPreview": true, "largeBlobs": true, "authnrCfg": true, "setMinPINLength": true, "alwaysUv": false,
	}, info[4])
	require.Equal(t, []any{uint64(2), uint64(1)}, info[6])
}

// Each defect of a request has its own status.
func TestRequestDefects(t *testing.T) {
	const invalidCommand, invalidParameter, invalidLength, unexpectedType, invalidCBOR, missing = 0x01, 0x02, 0x03, 0x11, 0x12, 0x14
	k := newKey(t, softkey.Options{PIN: []byte("1234")})
	descriptor := m{"id": []byte("x"), "type": "public-key"}
	for _, tc := range []struct {
		name    string
		command byte
		params  any
		want    byte
	}{
		{"unknown command", 0x55, nil, invalidCommand},
		{"no parameters", 1, nil, missing},
		{"not a map", 1, []int{1}, unexpectedType},
		{"parameters for getInfo", 4, m{}, invalidLength},
		{"no hash", 1, creation(drop(1)), missing},
		{"hash as text", 1, creation(set(1, "x")), unexpectedType},
		{"short hash", 1, creation(set(1, []byte{1})), invalidLength},
		{"no RP", 1, creation(drop(2)), missing},
		{"no RP ID", 1, creation(set(2, m{"name": "x"})), missing},
		{"empty RP ID", 1, creation(set(2, m{"id": ""})), invalidParameter},
		{"RP ID as bytes", 1, creation(set(2, m{"id": []byte("x")})), unexpectedType},
		{"no user", 1, creation(drop(3)), missing},
		{"no user ID", 1, creation(set(3, m{"name": "x"})), missing},
		{"long user ID", 1, creation(set(3, m{"id": make([]byte, 65)})), invalidLength},
		{"name as number", 1, creation(set(3, m{"id": []byte("x"), "name": 1})), unexpectedType},
		{"no algorithms", 1, creation(drop(4)), missing},
		{"unsupported algorithms", 1, creation(set(4, []m{{"alg": -257, "type": "public-key"}})), 0x26},
		{"empty algorithms", 1, creation(set(4, []m{})), 0x26},
		{"algorithm of unknown type", 1, creation(set(4, []m{{"alg": -7, "type": "other"}})), 0x26},
		{"algorithm without type", 1, creation(set(4, []m{{"alg": -7}})), missing},
		{"defect behind a good algorithm", 1, creation(set(4, []any{m{"alg": -7, "type": "public-key"}, "x"})), unexpectedType},
		{"exclude list of numbers", 1, creation(set(5, []int{1})), unexpectedType},
		{"exclude list too long", 1, creation(set(5, []m{descriptor, descriptor, descriptor, descriptor, descriptor, descriptor, descriptor, descriptor, descriptor})), invalidParameter},
		{"excluded without type", 1, creation(set(5, []m{{"id": []byte("x")}})), missing},
		{"extensions as array", 1, creation(set(6, []int{})), unexpectedType},
		{"credProtect 9", 1, creation(set(6, m{"credProtect": 9})), 0x2C},
		{"rk as number", 1, creation(set(7, m{"rk": 1})), unexpectedType},
		{"no touch wanted", 1, creation(set(7, m{"up": false})), 0x2C},
		{"built-in verification", 1, creation(set(7, m{"uv": true})), 0x2C},
		{"discoverable without PIN", 1, creation(), 0x36},
		{"enterprise attestation", 1, creation(set(7, m{}), set(10, 1)), invalidParameter},
		{"proof without protocol", 1, creation(set(8, make([]byte, 32))), missing},
		{"proof of unknown protocol", 1, creation(set(8, make([]byte, 32)), set(9, 3)), invalidParameter},
		{"proof of no token", 1, creation(set(8, make([]byte, 32)), set(9, 2)), 0x33},
		{"touch the old way", 1, creation(set(8, []byte{}), set(9, 1)), 0x31},
		{"no RP ID to sign for", 2, request(drop(1)), missing},
		{"no hash to sign", 2, request(drop(2)), missing},
		{"empty allow list", 2, request(set(3, []m{})), invalidParameter},
		{"rk when signing", 2, request(set(5, m{"rk": true})), 0x2B},
		{"nothing to sign with", 2, request(), 0x2E},
		{"next of nothing", 8, nil, 0x30},
		{"PIN without subcommand", 6, m{1: 2}, missing},
		{"PIN with unknown subcommand", 6, m{1: 2, 2: 0x77}, 0x3E},
		{"key agreement without protocol", 6, m{2: 2}, missing},
		{"key agreement of unknown protocol", 6, m{1: 3, 2: 2}, invalidParameter},
		{"token without permissions", 6, m{1: 2, 2: 9, 3: m{}, 6: []byte{}}, missing},
		{"token with no permission", 6, m{1: 2, 2: 9, 3: m{}, 6: []byte{}, 9: 0, 10: "x"}, invalidParameter},
		{"token with too much", 6, m{1: 2, 2: 9, 3: m{}, 6: []byte{}, 9: 0x40, 10: "x"}, 0x40},
		{"token for fingers of a key without a sensor", 6, m{1: 2, 2: 9, 3: m{}, 6: []byte{}, 9: 8}, 0x40},
		{"token by a sensor that is not there", 6, m{1: 2, 2: 6, 3: m{}, 9: 1, 10: "x"}, 0x3E},
		{"token for no RP ID", 6, m{1: 2, 2: 9, 3: m{}, 6: []byte{}, 9: 1}, missing},
		{"old token with permissions", 6, m{1: 2, 2: 5, 3: m{}, 6: []byte{}, 9: 1}, invalidParameter},
		{"token without a key", 6, m{1: 2, 2: 5, 6: []byte{}}, missing},
		{"token with half a key", 6, m{1: 2, 2: 5, 3: m{1: 2, 3: -25, -1: 1}, 6: []byte{}}, missing},
		{"token with no point", 6, m{1: 2, 2: 5, 3: m{1: 2, 3: -25, -1: 1, -2: make([]byte, 32), -3: make([]byte, 32)}, 6: []byte{}}, invalidParameter},
		{"token with another curve", 6, m{1: 2, 2: 5, 3: m{1: 2, 3: -25, -1: 2, -2: make([]byte, 32), -3: make([]byte, 32)}, 6: []byte{}}, invalidParameter},
	} {
		t.Run(tc.name, func(t *testing.T) {
			before := k.Touches()
			status, body := send(t, k, tc.command, tc.params)
			require.Equalf(t, tc.want, status, "0x%02X", status)
			require.Nil(t, body)
			if tc.name != "touch the old way" {
				require.Equal(t, before, k.Touches(), "a refused request took a touch")
			}
		})
	}
	_, body := send(t, k, 6, m{2: 1})
	require.EqualValues(t, 8, body[3], "none of these was a wrong PIN")

	for name, raw := range map[string][]byte{
		"long integer":       {1, 0xA1, 0x18, 0x01, 0x40},
		"unsorted":           {1, 0xA2, 0x02, 0x40, 0x01, 0x40},
		"duplicate":          {1, 0xA2, 0x01, 0x40, 0x01, 0x40},
		"indefinite":         {1, 0xBF, 0x01, 0x40, 0xFF},
		"tag":                {1, 0xA1, 0x01, 0xC0, 0x40},
		"float":              {1, 0xA1, 0x01, 0xF9, 0x00, 0x00},
		"undefined":          {1, 0xA1, 0x01, 0xF7},
		"bad UTF-8":          {1, 0xA1, 0x01, 0x61, 0xFF},
		"cut short":          {1, 0xA1, 0x01},
		"a lie about length": {1, 0x9B, 0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF},
		"something behind":   {1, 0xA0, 0x00},
		"five levels":        {1, 0x81, 0x81, 0x81, 0x81, 0x80},
		"key of bytes":       {1, 0xA1, 0x41, 0x00, 0x00},
	} {
		status, _ := sendRaw(t, k, raw)
		require.Equalf(t, byte(invalidCBOR), status, "%s: 0x%02X", name, status)
	}
	status, _ := sendRaw(t, k, nil)
	require.EqualValues(t, invalidLength, status)
	status, _ = sendRaw(t, k, append([]byte{1}, make([]byte, 7609)...))
	require.EqualValues(t, 0x39, status)
}

func TestSelectionAndReset(t *testing.T) {
	now := time.Unix(1e9, 0)
	k := newKey(t, softkey.Options{Now: func() time.Time { return now }})
	status, _ := send(t, k, 0x0B, nil)
	require.Zero(t, status)
	status, _ = send(t, k, 1, creation())
	require.Zero(t, status)
	require.Equal(t, 2, k.Touches())

	now = now.Add(11 * time.Second)
	status, _ = send(t, k, 7, nil)
	require.EqualValues(t, 0x30, status, "more than ten seconds after power up")
	status, _ = send(t, k, 2, request())
	require.Zero(t, status)
	require.NoError(t, k.PowerCycle())
	status, _ = send(t, k, 2, request())
	require.Zero(t, status, "credentials survive a power cycle")
	status, _ = send(t, k, 7, nil)
	require.Zero(t, status)
	status, _ = send(t, k, 2, request())
	require.EqualValues(t, 0x2E, status)
}

func TestNextAssertion(t *testing.T) {
	now := time.Unix(1e9, 0)
	k := newKey(t, softkey.Options{Now: func() time.Time { return now }})
	for _, user := range []string{"a", "b", "c"} {
		status, _ := send(t, k, 1, creation(set(3, m{"id": []byte(user), "name": user})))
		require.Zero(t, status)
	}
	user := func(body map[int]any) any { return body[4].(map[any]any)["id"] }
	status, first := send(t, k, 2, request())
	require.Zero(t, status)
	require.EqualValues(t, 3, first[5])
	require.Equal(t, []byte("c"), user(first))
	require.NotContains(t, first[4], "name", "names without user verification")
	_, second := send(t, k, 8, nil)
	require.Equal(t, []byte("b"), user(second))
	require.NotContains(t, second, 5)
	_, third := send(t, k, 8, nil)
	require.Equal(t, []byte("a"), user(third))
	status, _ = send(t, k, 8, nil)
	require.EqualValues(t, 0x30, status, "there were three")

	send(t, k, 2, request())
	send(t, k, 4, nil)
	status, _ = send(t, k, 8, nil)
	require.EqualValues(t, 0x30, status, "another command came between")

	send(t, k, 2, request())
	now = now.Add(31 * time.Second)
	status, _ = send(t, k, 8, nil)
	require.EqualValues(t, 0x30, status, "too late")
}

func TestSilentAssertion(t *testing.T) {
	k := newKey(t, softkey.Options{})
	send(t, k, 1, creation())
	touches := k.Touches()
	status, body := send(t, k, 2, request(set(5, m{"up": false})))
	require.Zero(t, status)
	require.Zero(t, body[2].([]byte)[32], "no flag is set that was not earned")
	require.Equal(t, touches, k.Touches())
}

func TestKeyStoreFull(t *testing.T) {
	k := newKey(t, softkey.Options{})
	var status byte
	for i := range 257 {
		status, _ = send(t, k, 1, creation(set(3, m{"id": []byte{byte(i), byte(i >> 8)}})))
		require.Equal(t, i == 256, status != 0)
	}
	require.EqualValues(t, 0x28, status)
	_, info := send(t, k, 4, nil)
	require.EqualValues(t, 0, info[0x14])
	status, _ = send(t, k, 1, creation(set(3, m{"id": []byte{0, 0}})))
	require.Zero(t, status, "the same account again needs no room")
}

func TestCancelledWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKey(t, softkey.Options{Touch: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		response, err := k.CBOR(ctx, append([]byte{1}, encode(creation())...))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Nil(t, response)
		status, _ := send(t, k, 0x0B, nil)
		require.EqualValues(t, 0x2F, status, "the key's own patience")
		require.Zero(t, k.Touches())
	})
}

func TestOptions(t *testing.T) {
	ca, err := softkey.NewCA("x")
	require.NoError(t, err)
	for _, o := range []softkey.Options{
		{CA: ca, NoAttestation: true},
		{Algorithms: []int{-257}},
		{PIN: []byte("123")},
		{PIN: bytes.Repeat([]byte("1"), 64)},
	} {
		_, err := softkey.New(o)
		require.Error(t, err)
	}
	k := newKey(t, softkey.Options{Algorithms: []int{-8}, Touch: func(context.Context) error { return errors.New("no") }})
	status, _ := send(t, k, 1, creation())
	require.EqualValues(t, 0x26, status)
	status, _ = send(t, k, 0x0B, nil)
	require.EqualValues(t, 0x27, status)
}
