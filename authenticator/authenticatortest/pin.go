package authenticatortest

import (
	"bytes"
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"github.com/lakekey/lakekey/authenticator"
	"github.com/lakekey/lakekey/authenticator/softkey"
)

func pin(t *testing.T, b *bench) {
	typed := []byte("Zu\u0308rich 1") // u and diaeresis: NFC makes one character of them
	d, key := b.device(t, softkey.Options{PIN: []byte("Z\u00fcrich 1")})
	req := creation("alice")
	req.PIN = typed
	made := register(t, d, req)
	again := assertion(made.CredentialID)
	again.PIN = typed
	signIn(t, d, made, again)
	signIn(t, d, made, assertion(made.CredentialID)) // presence only
	check(t, key.Touches() == 3, "%d touches", key.Touches())
	check(t, bytes.Equal(typed, []byte("Zu\u0308rich 1")), "the caller's PIN was changed")
	state, err := d.PINRetries(background(t))
	must(t, err)
	check(t, state == authenticator.PINState{Retries: 8}, "state %+v", state)

	without, _ := b.device(t, softkey.Options{})
	req = creation("alice")
	req.PIN = []byte("1234")
	_, err = without.MakeCredential(background(t), req)
	isError(t, err, authenticator.ErrPINNotSet)
}

func wrongPINs(t *testing.T, b *bench) {
	secret, wrong := []byte("123456"), []byte("654321")
	d, key := b.device(t, softkey.Options{PIN: secret})
	made := register(t, d, creation("alice"))
	try := func(pin []byte) (e authenticator.PINError) {
		t.Helper()
		req := assertion(made.CredentialID)
		req.PIN = pin
		_, err := d.GetAssertion(background(t), req)
		var refused *authenticator.PINError
		check(t, errors.As(err, &refused), "error %v, want a PINError", err)
		return *refused
	}
	for retries := 7; retries >= 1; retries-- {
		inARow := 8 - retries
		want := authenticator.PINError{Retries: retries, Status: 0x31}
		if inARow%3 == 0 {
			want.PowerCycleNeeded, want.Status = true, 0x34
		}
		check(t, try(wrong) == want, "try %d: want %+v", inARow, want)
		state, err := d.PINRetries(background(t))
		must(t, err)
		blocked := want.PowerCycleNeeded && !b.limits.BlindToBlock
		check(t, state == authenticator.PINState{Retries: retries, PowerCycleNeeded: blocked}, "after try %d: %+v", inARow, state)
		if want.PowerCycleNeeded {
			refused := try(secret) // not even the right one
			check(t, refused.PowerCycleNeeded && refused.Retries == retries, "blocked: %+v", refused)
			must(t, key.PowerCycle())
		}
	}
	refused := try(wrong)
	check(t, refused.Retries == 0 && refused.Status == 0x32, "the eighth: %+v", refused)
	refused = try(secret)
	check(t, refused.Retries == 0 && refused.Status == 0x32, "the right one, too late: %+v", refused)
	check(t, key.Touches() == 1, "%d touches", key.Touches())

	// A wrong PIN is found out before an exclude list, and is tried once.
	d, _ = b.device(t, softkey.Options{PIN: secret})
	req := creation("alice")
	req.PIN, req.Exclude = wrong, strangers(20)
	_, err := d.MakeCredential(background(t), req)
	var once *authenticator.PINError
	check(t, errors.As(err, &once) && once.Retries == 7, "error %v, want a PINError with 7 left", err)
	state, err := d.PINRetries(background(t))
	must(t, err)
	check(t, state.Retries == 7, "%d left: the PIN was tried again", state.Retries)
}

func impossiblePINs(t *testing.T, b *bench) {
	d, _ := b.device(t, softkey.Options{PIN: []byte("1234")})
	for _, impossible := range [][]byte{{}, []byte("123"), bytes.Repeat([]byte{'1'}, 64), {0xFF, 0xFE, 0xFD, 0xFC}} {
		req := creation("alice")
		req.PIN = impossible
		_, err := d.MakeCredential(background(t), req)
		check(t, err != nil, "PIN %q was taken", impossible)
		state, err := d.PINRetries(background(t))
		must(t, err)
		check(t, state.Retries == 8, "PIN %q cost a try", impossible)
	}
}

func sensor(t *testing.T, b *bench) {
	var stranger atomic.Bool
	d, _ := b.device(t, softkey.Options{Fingers: []string{"thumb"}, PIN: []byte("1234"), Verify: func(ctx context.Context) error {
		if stranger.Load() {
			return errors.New("another finger")
		}
		return ctx.Err()
	}})
	req := creation("alice")
	req.BuiltInUV, req.CredProtect = true, 3
	made := register(t, d, req)
	again := assertion(made.CredentialID)
	again.BuiltInUV = true
	signIn(t, d, made, again)

	req = creation("bob")
	req.BuiltInUV, req.Exclude = true, [][]byte{made.CredentialID}
	_, err := d.MakeCredential(background(t), req)
	if b.limits.NoSensor {
		must(t, err)
	} else {
		isError(t, err, authenticator.ErrExcluded)
	}

	stranger.Store(true)
	_, err = d.GetAssertion(background(t), again)
	isError(t, err, authenticator.Status(0x3F)) // UV_INVALID
}
