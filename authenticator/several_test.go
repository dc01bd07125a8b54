package authenticator_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/authenticator"
	"github.com/lakekey/lakekey/authenticator/softkey"
)

// blinking is a key that waits for a touch from the test.
type blinking struct {
	*softkey.Key
	touch chan struct{}
}

func blinkingKey(t *testing.T, o softkey.Options) *blinking {
	touch := make(chan struct{}, 4)
	o.Touch = func(ctx context.Context) error {
		select {
		case <-touch:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return &blinking{newKey(t, o), touch}
}

func (b *blinking) touchOnce()                 { b.touch <- struct{}{} }
func (b *blinking) enroll(t *testing.T) []byte { return b.enrollFor(t, "user-1") }

// enrollFor registers the key by itself and returns the credential's ID.
func (b *blinking) enrollFor(t *testing.T, user string) []byte {
	b.touchOnce()
	response, err := clientOf(&person{pin: "1234"}, b.Key).Create(t.Context(), example.origin, example.creation(with("user.id", b64([]byte(user)))))
	require.NoError(t, err)
	return example.register(t, response).id
}

// Without a PIN the operation itself is the choice: one touch.
func TestTouchedKeyWins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, c := blinkingKey(t, softkey.Options{}), blinkingKey(t, softkey.Options{}), blinkingKey(t, softkey.Options{})
		ui := &person{}
		client := clientOf(ui, a, b, c)
		b.touchOnce()
		start := time.Now()
		_, err := client.Create(t.Context(), example.origin, example.creation())
		require.NoError(t, err)
		require.Zero(t, time.Since(start))
		require.Equal(t, []int{0, 1, 0}, []int{a.Touches(), b.Touches(), c.Touches()})
		require.Len(t, ui.prompts, 1)
		require.False(t, ui.prompts[0].Select)
		require.Len(t, ui.prompts[0].Devices, 3)
		require.Zero(t, ui.open)

		// Nobody touches any: every key gives up, and says why.
		_, err = client.Create(t.Context(), example.origin, example.creation(with("user.id", "AA")))
		require.ErrorIs(t, err, authenticator.Status(0x2F))

		// None is left waiting: a touch on another one works at once.
		c.touchOnce()
		_, err = client.Create(t.Context(), example.origin, example.creation())
		require.NoError(t, err)

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = client.Create(ctx, example.origin, example.creation())
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
}

// With PINs the first touch chooses, and only the chosen key's PIN is asked for.
func TestTouchChoosesWhosePIN(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := blinkingKey(t, softkey.Options{PIN: []byte("1234")})
		b := blinkingKey(t, softkey.Options{PIN: []byte("567890")})
		ui := &person{pin: "567890"}
		b.touchOnce()
		b.touchOnce()
		_, err := clientOf(ui, a, b).Create(t.Context(), example.origin, example.creation())
		require.NoError(t, err)
		require.Len(t, ui.prompts, 2)
		require.True(t, ui.prompts[0].Select)
		require.Len(t, ui.pins, 1)
		require.Equal(t, "test key 2", ui.pins[0].Device.Product)
	})
}

// A key that cannot serve blinks with the others, and whoever touches it learns why.
func TestTouchedKeyThatCannotServe(t *testing.T) {
	required := with("userVerification", "required")
	for _, tc := range []struct {
		name   string
		other  softkey.Options
		run    func(t *testing.T, client *authenticator.Client, id, otherID []byte) error
		enroll bool
		want   error
	}{
		{"not registered", softkey.Options{}, func(t *testing.T, c *authenticator.Client, id, _ []byte) error {
			_, err := c.Get(t.Context(), example.origin, example.request(with("allowCredentials", allowing(id))))
			return err
		}, false, authenticator.ErrNoCredentials},
		{"no account", softkey.Options{}, func(t *testing.T, c *authenticator.Client, _, _ []byte) error {
			_, err := c.Get(t.Context(), example.origin, example.request(with("userVerification", "discouraged")))
			return err
		}, false, authenticator.ErrNoCredentials},
		{"already registered", softkey.Options{PIN: []byte("1234")}, func(t *testing.T, c *authenticator.Client, _, other []byte) error {
			_, err := c.Create(t.Context(), example.origin, example.creation(with("excludeCredentials", allowing(other))))
			return err
		}, true, authenticator.ErrExcluded},
		{"no PIN set", softkey.Options{}, func(t *testing.T, c *authenticator.Client, id, _ []byte) error {
			_, err := c.Get(t.Context(), example.origin, example.request(required, with("allowCredentials", allowing(id))))
			return err
		}, false, authenticator.ErrPINNotSet},
		{"PIN to be changed", softkey.Options{PIN: []byte("1234"), ForcePINChange: true}, func(t *testing.T, c *authenticator.Client, id, _ []byte) error {
			_, err := c.Get(t.Context(), example.origin, example.request(required, with("allowCredentials", allowing(id))))
			return err
		}, false, authenticator.Status(0x37)},
		{"algorithm", softkey.Options{Algorithms: []int{-8}}, func(t *testing.T, c *authenticator.Client, _, _ []byte) error {
			_, err := c.Create(t.Context(), example.origin, example.creation())
			return err
		}, false, authenticator.ErrUnsupportedAlgorithm},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				good, other := blinkingKey(t, softkey.Options{PIN: []byte("1234")}), blinkingKey(t, tc.other)
				id := good.enroll(t)
				var otherID []byte
				if tc.enroll {
					otherID = other.enroll(t)
				}
				ui := &person{pin: "1234"}
				other.touchOnce()
				err := tc.run(t, clientOf(ui, good, other), id, otherID)
				require.ErrorIs(t, err, tc.want)
				var e *authenticator.IneligibleError
				require.ErrorAs(t, err, &e)
				require.Equal(t, "test key 2", e.Device.Product)
				require.ErrorContains(t, err, "test key 2 cannot serve")
				require.Empty(t, ui.pins)
				require.Zero(t, ui.open)
			})
		})
	}
}

// When no key can serve nobody is made to touch one.
func TestNoKeyCanServe(t *testing.T) {
	a, b := newKey(t, softkey.Options{}), newKey(t, softkey.Options{})
	ui := &person{}
	_, err := clientOf(ui, a, b).Get(t.Context(), example.origin, example.request())
	require.ErrorIs(t, err, authenticator.ErrNoCredentials)
	require.ErrorContains(t, err, "test key cannot serve")
	require.ErrorContains(t, err, "test key 2 cannot serve")
	require.Empty(t, ui.prompts)
	require.Zero(t, a.Touches()+b.Touches())
	_, err = clientOf(nil, a, newKey(t, softkey.Options{PIN: []byte("1234")})).
		Create(t.Context(), example.origin, example.creation(with("authenticatorSelection.userVerification", "required")))
	require.ErrorIs(t, err, authenticator.ErrPINRequired)
	require.ErrorIs(t, err, authenticator.ErrPINNotSet)
}

// Keys that do not answer, break down or do not let go cost the others two seconds.
func TestBadKeysAmongOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		good := blinkingKey(t, softkey.Options{})
		silent := transportFunc(func(ctx context.Context, _ []byte) ([]byte, error) { <-ctx.Done(); return nil, ctx.Err() })
		broken := transportFunc(func(context.Context, []byte) ([]byte, error) { return nil, errors.New("unplugged") })
		good.touchOnce()
		start := time.Now()
		_, err := clientOf(&person{}, silent, broken, good).Create(t.Context(), example.origin, example.creation())
		require.NoError(t, err)
		require.Equal(t, 2*time.Second, time.Since(start))

		// A key that neither answers nor minds its ctx.
		gone := make(chan struct{})
		deaf := transportFunc(func(ctx context.Context, msg []byte) ([]byte, error) {
			if msg[0] == 4 {
				return good.CBOR(ctx, msg)
			}
			good.touchOnce() // once this one hangs: before, it could be cancelled unasked
			<-gone
			return nil, errors.New("gone")
		})
		start = time.Now()
		_, err = clientOf(&person{}, deaf, good).Create(t.Context(), example.origin, example.creation())
		require.NoError(t, err)
		require.Equal(t, 2*time.Second, time.Since(start))
		close(gone)

		_, err = clientOf(&person{}, broken, broken).Create(t.Context(), example.origin, example.creation())
		require.ErrorContains(t, err, "unplugged")

		// One breaks down while it blinks: the others go on.
		dying := transportFunc(func(ctx context.Context, msg []byte) ([]byte, error) {
			if msg[0] == 4 {
				return good.CBOR(ctx, msg)
			}
			return nil, errors.New("unplugged")
		})
		time.AfterFunc(time.Second, good.touchOnce)
		_, err = clientOf(&person{}, dying, good).Create(t.Context(), example.origin, example.creation())
		require.NoError(t, err)

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = clientOf(&person{}, silent, silent).Create(ctx, example.origin, example.creation())
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
}

// waitingSource has a key plugged in after a while and notices.
type waitingSource struct {
	lateSource
	change chan struct{}
}

func (s *waitingSource) Wait(ctx context.Context) error {
	select {
	case <-s.change:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func TestPluggedInWhileWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := &waitingSource{change: make(chan struct{})}
		source.device = authenticator.NewCTAP2(newKey(t, softkey.Options{}), authenticator.Descriptor{})
		asked := 0
		insert := func() error { asked++; return nil }
		time.AfterFunc(time.Second, func() { source.plugged.Store(true); source.change <- struct{}{} })
		start := time.Now()
		_, err := authenticator.NewClient(source, authenticator.Options{UI: &person{insert: insert}}).Create(t.Context(), example.origin, example.creation())
		require.NoError(t, err)
		require.Equal(t, time.Second, time.Since(start))
		require.Equal(t, 1, asked)

		// The person gives up; the ctx ends.
		source = &waitingSource{change: make(chan struct{})}
		client := authenticator.NewClient(source, authenticator.Options{UI: &person{}})
		_, err = client.Create(t.Context(), example.origin, example.creation())
		require.ErrorContains(t, err, "no key at hand")
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		start = time.Now()
		client = authenticator.NewClient(source, authenticator.Options{UI: &person{insert: insert}})
		_, err = client.Create(ctx, example.origin, example.creation())
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, time.Minute, time.Since(start))
		require.Equal(t, 2, asked, "asked once")
	})
}
