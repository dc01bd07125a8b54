package authenticator_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"
	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/authenticator"
	"github.com/lakekey/lakekey/authenticator/softkey"
)

// managed is a key with everything that an owner can do with it.
type managed interface {
	authenticator.PINManager
	authenticator.CredentialManager
	authenticator.FingerprintManager
	authenticator.Configurator
	authenticator.Resetter
}

func manage(key authenticator.Transport) managed {
	return authenticator.NewCTAP2(key, authenticator.Descriptor{}).(managed)
}

func TestSetAndChangePIN(t *testing.T) {
	for _, protocol := range []int{1, 2} {
		key := newKey(t, softkey.Options{MinPINLength: 6})
		d := manage(speaking(key, []int{protocol}, true))
		require.ErrorIs(t, d.ChangePIN(t.Context(), []byte("123456"), []byte("654321")), authenticator.ErrPINNotSet)
		for _, bad := range []string{"", "12345", "пароль"[:10], string(make([]byte, 64)), "12345\x00", "\xff\xff\xff\xff\xff\xff"} {
			require.Error(t, d.SetPIN(t.Context(), []byte(bad)), "%q", bad)
		}
		require.ErrorContains(t, d.SetPIN(t.Context(), []byte("12345")), "at least 6 characters")
		require.NoError(t, d.SetPIN(t.Context(), []byte("cafe\u0301 au lait")))
		require.ErrorContains(t, d.SetPIN(t.Context(), []byte("123456")), "change it")
		require.ErrorIs(t, d.ChangePIN(t.Context(), nil, []byte("654321")), authenticator.ErrPINRequired)

		var wrong *authenticator.PINError
		require.ErrorAs(t, d.ChangePIN(t.Context(), []byte("123456"), []byte("654321")), &wrong)
		require.Equal(t, 7, wrong.Retries)
		require.NoError(t, d.ChangePIN(t.Context(), []byte("caf\u00e9 au lait"), []byte("654321")))
		_, err := clientOf(&person{pin: "654321"}, key).Create(t.Context(), example.origin, example.creation())
		require.NoError(t, err)
	}
}

func TestForcedChangeIsMadeByChanging(t *testing.T) {
	key := newKey(t, softkey.Options{PIN: []byte("1234"), ForcePINChange: true})
	d := manage(key)
	require.ErrorIs(t, d.ChangePIN(t.Context(), []byte("1234"), []byte("1234")), authenticator.Status(0x37))
	require.NoError(t, d.ChangePIN(t.Context(), []byte("1234"), []byte("4321")))
	_, err := clientOf(&person{pin: "4321"}, key).Create(t.Context(), example.origin, example.creation())
	require.NoError(t, err)
}

func TestStoredCredentials(t *testing.T) {
	pin := []byte("1234")
	key := newKey(t, softkey.Options{PIN: pin})
	d := manage(key)
	none, err := d.Credentials(t.Context(), pin)
	require.NoError(t, err)
	require.Empty(t, none)
	_, err = d.Credentials(t.Context(), nil)
	require.ErrorIs(t, err, authenticator.ErrPINRequired)
	_, err = manage(newKey(t, softkey.Options{})).Credentials(t.Context(), nil)
	require.ErrorIs(t, err, authenticator.ErrPINNotSet)

	client := clientOf(&person{pin: "1234"}, key)
	other := party{origin: "https://example.com", rpID: "example.com"}
	for i := range 3 {
		for _, p := range []party{example, other} {
			_, err := client.Create(t.Context(), p.origin, p.creation(with("user.id", b64(fmt.Append(nil, i))), with("user.name", fmt.Sprint("name ", i)),
				with("extensions", object{"credentialProtectionPolicy": "userVerificationRequired"})))
			require.NoError(t, err)
		}
	}
	_, err = client.Create(t.Context(), example.origin, example.creation(with("authenticatorSelection.residentKey", "discouraged")))
	require.NoError(t, err)
	all, err := d.Credentials(t.Context(), pin)
	require.NoError(t, err)
	require.Len(t, all, 6, "only discoverable ones are stored")
	require.Equal(t, "example.org", all[0].RPID)
	require.Equal(t, authenticator.User{ID: []byte("2"), Name: "name 2", DisplayName: "Ada"}, all[0].User)
	require.Equal(t, -7, all[0].Algorithm)
	require.Equal(t, 3, all[0].CredProtect)

	require.NoError(t, d.UpdateUser(t.Context(), pin, all[0].ID, authenticator.User{ID: []byte("2"), Name: "renamed"}))
	require.ErrorIs(t, d.UpdateUser(t.Context(), pin, all[0].ID, authenticator.User{ID: []byte("3"), Name: "renamed"}), authenticator.Status(0x02))
	require.NoError(t, d.DeleteCredential(t.Context(), pin, all[1].ID))
	require.ErrorIs(t, d.DeleteCredential(t.Context(), pin, all[1].ID), authenticator.ErrNoCredentials)
	left, err := d.Credentials(t.Context(), pin)
	require.NoError(t, err)
	require.Len(t, left, 5)
	require.Equal(t, "renamed", left[0].User.Name)

	var wrong *authenticator.PINError
	_, err = d.Credentials(t.Context(), []byte("9999"))
	require.ErrorAs(t, err, &wrong)
	require.Equal(t, 7, wrong.Retries)
}

func TestFingerprints(t *testing.T) {
	pin := []byte("1234")
	samples := 0
	touch := func(context.Context) error {
		if samples++; samples == 2 {
			return errors.New("crooked")
		}
		return nil
	}
	key := newKey(t, softkey.Options{PIN: pin, Verify: (&fingers{}).verify, Touch: touch})
	d := manage(key)
	none, err := d.Fingerprints(t.Context(), pin)
	require.NoError(t, err)
	require.Empty(t, none)
	var said []string
	f, err := d.EnrollFingerprint(t.Context(), pin, "thumb", func(missing int, defect string) { said = append(said, fmt.Sprint(missing, defect)) })
	require.NoError(t, err)
	require.Equal(t, []string{"2", "2poor quality", "1", "0"}, said)
	ui := &person{}
	_, err = clientOf(ui, key).Create(t.Context(), example.origin, example.creation())
	require.NoError(t, err)
	require.Equal(t, 1, ui.verifies, "the finger serves")

	f.Name = "left thumb"
	require.NoError(t, d.RenameFingerprint(t.Context(), pin, f))
	all, err := d.Fingerprints(t.Context(), pin)
	require.NoError(t, err)
	require.Equal(t, []authenticator.Fingerprint{f}, all)
	require.NoError(t, d.DeleteFingerprint(t.Context(), pin, f.ID))
	require.ErrorIs(t, d.DeleteFingerprint(t.Context(), pin, f.ID), authenticator.Status(0x2C))
	_, err = manage(newKey(t, softkey.Options{PIN: pin})).Fingerprints(t.Context(), pin)
	require.ErrorContains(t, err, "no fingerprint sensor")
}

// A cancelled enrolment leaves no half of a finger behind, and the next one works.
func TestCancelledEnrolment(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	samples := 0
	touch := func(ctx context.Context) error {
		if samples++; samples == 2 {
			cancel()
			<-ctx.Done()
		}
		return ctx.Err()
	}
	d := manage(newKey(t, softkey.Options{PIN: []byte("1234"), Verify: (&fingers{}).verify, Touch: touch}))
	_, err := d.EnrollFingerprint(ctx, []byte("1234"), "", nil)
	require.ErrorIs(t, err, context.Canceled)
	all, err := d.Fingerprints(t.Context(), []byte("1234"))
	require.NoError(t, err)
	require.Empty(t, all)
	_, err = d.EnrollFingerprint(t.Context(), []byte("1234"), "", nil)
	require.NoError(t, err)
}

func TestReset(t *testing.T) {
	now := time.Unix(1e9, 0)
	key := newKey(t, softkey.Options{PIN: []byte("1234"), Now: func() time.Time { return now }})
	d := manage(key)
	now = now.Add(time.Minute)
	err := d.Reset(t.Context())
	require.ErrorIs(t, err, authenticator.Status(0x30))
	require.ErrorContains(t, err, "ten seconds")
	require.NoError(t, key.PowerCycle())
	require.NoError(t, d.Reset(t.Context()))
	info, err := d.Info(t.Context())
	require.NoError(t, err)
	require.False(t, info.Options["clientPin"])
	require.NoError(t, d.SetPIN(t.Context(), []byte("5678")))
}

// Keys from before CTAP 2.1 have these commands under other numbers, and tokens
// without permissions.
func TestManagingAnOlderKey(t *testing.T) {
	key := newKey(t, softkey.Options{})
	_, err := clientOf(nil, key).Create(t.Context(), example.origin, example.creation())
	require.NoError(t, err)
	require.NoError(t, manage(key).SetPIN(t.Context(), []byte("1234")))
	old := previewKey{tamper{key, func(command byte, response []byte) []byte {
		if command != 0x04 {
			return response
		}
		var info map[int]any
		require.NoError(t, cbor.Unmarshal(response[1:], &info))
		options := info[4].(map[any]any)
		delete(options, "credMgmt")
		options["credentialMgmtPreview"] = true
		return append([]byte{0}, must(must(cbor.CTAP2EncOptions().EncMode()).Marshal(info))...)
	}}}
	all, err := manage(old).Credentials(t.Context(), []byte("1234"))
	require.NoError(t, err)
	require.Len(t, all, 1)
}

type previewKey struct{ authenticator.Transport }

func (k previewKey) CBOR(ctx context.Context, msg []byte) ([]byte, error) {
	switch msg[0] {
	case 0x0A:
		return []byte{0x01}, nil
	case 0x41:
		msg = append([]byte{0x0A}, msg[1:]...)
	}
	return k.Transport.CBOR(ctx, msg)
}

// What a hostile key answers to management commands.
func TestHostileManagement(t *testing.T) {
	key := newKey(t, softkey.Options{PIN: []byte("1234"), Verify: (&fingers{}).verify})
	_, err := clientOf(&person{pin: "1234"}, key).Create(t.Context(), example.origin, example.creation())
	require.NoError(t, err)
	for _, answer := range [][]byte{
		{0, 0xFF}, {0, 0xA0}, {0, 0xA1, 0x05, 0x19, 0xFF, 0xFF}, {0, 0xA1, 0x09, 0x20}, {0, 0xA1, 0x06, 0x18, 0x64}, {0},
		append([]byte{0}, must(cbor.Marshal(map[int]any{4: []byte{1}, 5: 0, 6: 50}))...), // a finger that is never finished
		append([]byte{0}, must(cbor.Marshal(map[int]any{3: map[string]string{"id": "x"}, 4: make([]byte, 32), 5: 5000}))...),
	} {
		hostile := manage(tamper{key, func(command byte, response []byte) []byte {
			if command == 0x0A || command == 0x09 {
				return answer
			}
			return response
		}})
		stored, _ := hostile.Credentials(t.Context(), []byte("1234"))
		require.Empty(t, stored)
		_, err = hostile.EnrollFingerprint(t.Context(), []byte("1234"), "x", nil)
		require.Error(t, err)
	}
}
