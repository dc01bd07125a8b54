package softkey_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/authenticator/softkey"
)

// sensor is a Verify that knows a finger while known is set.
type sensor struct{ known bool }

func (s *sensor) verify(context.Context) error {
	if s.known {
		return nil
	}
	return errors.New("not a finger of this key")
}

func (p *platform) uvToken(t testing.TB, k *softkey.Key, permissions int, rpID string) (byte, []byte) {
	t.Helper()
	status, body := send(t, k, 6, m{1: p.protocol, 2: 6, 3: p.public, 9: permissions, 10: rpID})
	if status != 0 {
		return status, nil
	}
	return status, p.decrypt(body[2].([]byte))
}

func uvRetries(t testing.TB, k *softkey.Key) uint64 {
	t.Helper()
	status, body := send(t, k, 6, m{2: 7})
	require.Zero(t, status)
	return body[5].(uint64)
}

func TestUVToken(t *testing.T) {
	now := time.Unix(1e9, 0)
	for _, protocol := range []int{1, 2} {
		s := &sensor{known: true}
		k := newKey(t, softkey.Options{Verify: s.verify, Fingers: []string{"thumb"}, Now: func() time.Time { return now }})
		_, info := send(t, k, 4, nil)
		require.Equal(t, true, info[4].(map[any]any)["uv"])
		require.EqualValues(t, 3, info[0x11])

		p := agree(t, k, protocol)
		status, value := p.uvToken(t, k, 1, "example.org")
		require.Zero(t, status)
		require.Equal(t, 1, k.Touches())
		status, made := send(t, k, 1, creation(p.verified(value, 8, 9)))
		require.Zero(t, status)
		require.EqualValues(t, 0x45, made[2].([]byte)[32])
		require.Equal(t, 1, k.Touches(), "the finger was the touch")

		// The touch counts once, and not for ever.
		p = agree(t, k, protocol)
		_, value = p.uvToken(t, k, 2, "example.org")
		silent := set(5, m{"up": false})
		status, _ = send(t, k, 2, request(silent, p.verified(value, 6, 7)))
		require.Zero(t, status)
		now = now.Add(31 * time.Second)
		status, _ = send(t, k, 2, request(p.verified(value, 6, 7)))
		require.Zero(t, status)
		require.Equal(t, 3, k.Touches())
		status, _ = send(t, k, 2, request(p.verified(value, 6, 7)))
		require.EqualValues(t, 0x33, status)

		status, _ = agree(t, k, protocol).uvToken(t, k, 8, "")
		require.EqualValues(t, 0x30, status, "enrolling takes the PIN")
	}
}

func TestUVRetries(t *testing.T) {
	s := &sensor{}
	k := newKey(t, softkey.Options{PIN: []byte("1234"), Verify: s.verify, Fingers: []string{"thumb"}})
	for left := uint64(4); left >= 1; left-- {
		status, _ := agree(t, k, 2).uvToken(t, k, 2, "example.org")
		require.EqualValues(t, 0x3F, status)
		require.Equal(t, left, uvRetries(t, k))
	}
	status, _ := agree(t, k, 2).uvToken(t, k, 2, "example.org")
	require.EqualValues(t, 0x3C, status)
	s.known = true
	require.NoError(t, k.PowerCycle())
	status, _ = agree(t, k, 2).uvToken(t, k, 2, "example.org")
	require.EqualValues(t, 0x3C, status, "the right finger, and still blocked, after a power cycle too")
	status, _ = agree(t, k, 2).token(t, k, "1234", 2, "example.org")
	require.Zero(t, status)
	require.EqualValues(t, 5, uvRetries(t, k), "the PIN lifts it")
	status, _ = agree(t, k, 2).uvToken(t, k, 2, "example.org")
	require.Zero(t, status)
	require.EqualValues(t, 0, k.Touches()-1)
}

// A finger that nobody showed is not a finger that was not known.
func TestUVTimeoutCostsNothing(t *testing.T) {
	k := newKey(t, softkey.Options{Verify: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }, Fingers: []string{"thumb"}})
	p := agree(t, k, 2)
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(time.Millisecond, cancel)
	_, err := k.CBOR(ctx, append([]byte{6}, encode(m{1: 2, 2: 6, 3: p.public, 9: 2, 10: "example.org"})...))
	require.ErrorIs(t, err, context.Canceled)
	require.EqualValues(t, 5, uvRetries(t, k))
}

// The uv option: verification within the operation, where there is no token.
func TestUVInPlace(t *testing.T) {
	s := &sensor{known: true}
	k := newKey(t, softkey.Options{Verify: s.verify, Fingers: []string{"thumb"}})
	status, _ := send(t, k, 1, creation())
	require.EqualValues(t, 0x36, status, "discoverable on a protected key")
	status, made := send(t, k, 1, creation(set(7, m{"rk": true, "uv": true})))
	require.Zero(t, status)
	require.EqualValues(t, 0x45, made[2].([]byte)[32])
	require.Equal(t, 1, k.Touches())
	s.known = false
	status, _ = send(t, k, 2, request(set(5, m{"uv": true})))
	require.EqualValues(t, 0x27, status, "no PIN to fall back to")

	s = &sensor{}
	k = newKey(t, softkey.Options{PIN: []byte("1234"), Verify: s.verify, Fingers: []string{"thumb"}})
	status, _ = send(t, k, 1, creation(set(7, m{"uv": true})))
	require.EqualValues(t, 0x36, status, "the PIN is the way out")

	k = newKey(t, softkey.Options{Verify: s.verify})
	status, _ = send(t, k, 1, creation(set(7, m{"uv": true})))
	require.EqualValues(t, 0x2C, status, "a sensor that knows nobody")
}

func TestAlwaysUV(t *testing.T) {
	k := newKey(t, softkey.Options{PIN: []byte("1234"), AlwaysUV: true})
	_, info := send(t, k, 4, nil)
	require.Equal(t, true, info[4].(map[any]any)["alwaysUv"])
	require.Equal(t, false, info[4].(map[any]any)["makeCredUvNotRqd"])
	status, _ := send(t, k, 1, creation(set(7, m{})))
	require.EqualValues(t, 0x36, status)
	p := agree(t, k, 2)
	_, value := p.token(t, k, "1234", 1, "example.org")
	status, _ = send(t, k, 1, creation(p.verified(value, 8, 9)))
	require.Zero(t, status)
	status, _ = send(t, k, 2, request())
	require.EqualValues(t, 0x36, status)
	status, _ = send(t, k, 2, request(set(5, m{"up": false})))
	require.Zero(t, status, "looking in silence needs nobody")

	k = newKey(t, softkey.Options{AlwaysUV: true, Verify: (&sensor{known: true}).verify, Fingers: []string{"thumb"}})
	status, made := send(t, k, 1, creation())
	require.Zero(t, status)
	require.EqualValues(t, 0x45, made[2].([]byte)[32], "verified though nobody asked")
}

func TestUVForAll(t *testing.T) {
	k := newKey(t, softkey.Options{PIN: []byte("1234"), UVForAll: true})
	status, _ := send(t, k, 1, creation(set(7, m{})))
	require.EqualValues(t, 0x36, status)
}
