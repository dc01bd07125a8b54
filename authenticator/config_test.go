package authenticator_test

import (
	"bytes"
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/authenticator"
	"github.com/lakekey/lakekey/authenticator/softkey"
)

func TestToggleAlwaysUV(t *testing.T) {
	for _, protocol := range []int{1, 2} {
		pin := []byte("1234")
		d := manage(speaking(newKey(t, softkey.Options{PIN: pin}), []int{protocol}, true))
		for _, want := range []bool{true, false} {
			require.NoError(t, d.ToggleAlwaysUV(t.Context(), pin))
			info, err := d.Info(t.Context())
			require.NoError(t, err)
			require.Equal(t, want, info.Options["alwaysUv"])
		}
		require.ErrorIs(t, d.ToggleAlwaysUV(t.Context(), nil), authenticator.ErrPINRequired)
		var wrong *authenticator.PINError
		require.ErrorAs(t, d.ToggleAlwaysUV(t.Context(), []byte("4321")), &wrong)
	}
	// A key that nothing protects is set up by whoever holds it, one with a sensor by its owner.
	require.NoError(t, manage(newKey(t, softkey.Options{})).ToggleAlwaysUV(t.Context(), nil))
	sensor := newKey(t, softkey.Options{Fingers: []string{"thumb"}, Verify: func(ctx context.Context) error { return ctx.Err() }})
	require.NoError(t, manage(sensor).ToggleAlwaysUV(t.Context(), nil))
	require.Equal(t, 1, sensor.Touches())
}

func TestSetMinPINLength(t *testing.T) {
	pin := []byte("1234")
	key := newKey(t, softkey.Options{PIN: pin})
	d := manage(key)
	info := func() *authenticator.Info {
		t.Helper()
		info, err := d.Info(t.Context())
		require.NoError(t, err)
		return info
	}
	require.NoError(t, d.SetMinPINLength(t.Context(), pin, 0, []string{example.rpID}, false))
	require.Equal(t, 4, info().MinPINLength)
	response, err := clientOf(&person{pin: "1234"}, key).Create(t.Context(), example.origin, example.creation(with("extensions", object{"minPinLength": true})))
	require.NoError(t, err)
	require.EqualValues(t, 4, example.register(t, response).extension["minPinLength"], "who may learn it does")

	require.NoError(t, d.SetMinPINLength(t.Context(), pin, 4, nil, true))
	require.True(t, info().ForcePINChange)
	require.NoError(t, d.ChangePIN(t.Context(), pin, []byte("123456")))
	pin = []byte("123456")
	require.NoError(t, d.SetMinPINLength(t.Context(), pin, 6, nil, false))
	require.Equal(t, 6, info().MinPINLength)
	require.False(t, info().ForcePINChange, "this one is long enough")
	require.ErrorIs(t, d.SetMinPINLength(t.Context(), pin, 5, nil, false), authenticator.Status(0x37), "it only grows")
	require.NoError(t, d.SetMinPINLength(t.Context(), pin, 8, nil, false))
	require.True(t, info().ForcePINChange)
}

func TestConfigureWhatIsNotThere(t *testing.T) {
	d := manage(newKey(t, softkey.Options{}))
	require.ErrorContains(t, d.EnableEnterpriseAttestation(t.Context(), nil), "no ep")
	old := manage(newOldKey(t))
	require.ErrorContains(t, old.ToggleAlwaysUV(t.Context(), nil), "no alwaysUv")
	require.ErrorContains(t, old.SetMinPINLength(t.Context(), nil, 6, nil, false), "no setMinPINLength")
}

func TestEnableEnterpriseAttestation(t *testing.T) {
	key := newKey(t, softkey.Options{})
	var sent [][]byte
	d := manage(transportFunc(func(ctx context.Context, msg []byte) ([]byte, error) {
		if msg[0] == 0x0D {
			sent = append(sent, bytes.Clone(msg))
			return []byte{0}, nil
		}
		response, err := key.CBOR(ctx, msg)
		return bytesReplaced(response, "\x62up\xF5", "\x62ep\xF4"), err // which the software key has not
	}))
	require.NoError(t, d.EnableEnterpriseAttestation(t.Context(), nil))
	require.Equal(t, [][]byte{{0x0D, 0xA1, 0x01, 0x01}}, sent)
}
