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

// untouched waits for a touch that never comes.
func untouched(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

func TestCancelDuringTouch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		touched := false
		key := newKey(t, softkey.Options{Touch: func(ctx context.Context) error {
			if touched {
				return nil
			}
			return untouched(ctx)
		}})
		ui := &person{}
		client := clientOf(ui, key)

		ctx, cancel := context.WithCancel(t.Context())
		start := time.Now()
		time.AfterFunc(3*time.Second, cancel)
		_, err := client.Create(ctx, example.origin, example.creation())
		require.ErrorIs(t, err, context.Canceled)
		require.Equal(t, 3*time.Second, time.Since(start), "cancelling took time")
		require.Zero(t, ui.open)

		ctx, cancel = context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		_, err = client.Create(ctx, example.origin, example.creation())
		require.ErrorIs(t, err, context.DeadlineExceeded)

		// The key's own patience ends first: its answer, nobody's cancellation.
		start = time.Now()
		_, err = client.Create(t.Context(), example.origin, example.creation())
		require.ErrorIs(t, err, authenticator.Status(0x2F))
		require.ErrorContains(t, err, "not touched in time")
		require.NotErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, 30*time.Second, time.Since(start))

		// The options may shorten the wait, but not to nothing.
		start = time.Now()
		_, err = client.Create(t.Context(), example.origin, example.creation(with("timeout", 1)))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, 15*time.Second, time.Since(start))

		touched = true
		_, err = client.Create(t.Context(), example.origin, example.creation())
		require.NoError(t, err, "the key works after all that")
		require.Equal(t, 1, key.Touches())
	})
}

// A ctx that is done before the call, or while another operation holds the key.
func TestCancelBeforeTheKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		key := newKey(t, softkey.Options{Touch: func(ctx context.Context) error {
			select {
			case <-release:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}})
		client := clientOf(nil, key)
		done, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := client.Create(done, example.origin, example.creation())
		require.ErrorIs(t, err, context.Canceled)

		first := make(chan error)
		go func() {
			_, err := client.Create(t.Context(), example.origin, example.creation())
			first <- err
		}()
		synctest.Wait()
		waiting, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		_, err = client.Create(waiting, example.origin, example.creation())
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, time.Second, time.Since(start))
		close(release)
		require.NoError(t, <-first)
		require.Equal(t, 1, key.Touches())
	})
}

func TestRefusalAtTheKey(t *testing.T) {
	key := newKey(t, softkey.Options{Touch: func(context.Context) error { return errors.New("no") }})
	_, err := clientOf(nil, key).Create(t.Context(), example.origin, example.creation())
	require.ErrorIs(t, err, authenticator.Status(0x27))

	// The key says that somebody cancelled. It was not the caller.
	cancelled := tamper{newKey(t, softkey.Options{}), func(command byte, response []byte) []byte {
		if command == 0x01 {
			return []byte{0x2D}
		}
		return response
	}}
	_, err = clientOf(nil, cancelled).Create(t.Context(), example.origin, example.creation())
	require.ErrorIs(t, err, authenticator.Status(0x2D))
	require.NotErrorIs(t, err, context.Canceled)
	require.ErrorContains(t, err, "cancelled at the key")
}

// A CTAP 2.0 key has no command to wait for a touch.
func TestSelectOnAnOldKey(t *testing.T) {
	for name, options := range map[string]softkey.Options{"no PIN": {}, "PIN": {PIN: []byte("1234")}} {
		t.Run(name, func(t *testing.T) {
			key := newKey(t, options)
			old := tamper{transportFunc(func(ctx context.Context, msg []byte) ([]byte, error) {
				require.NotEqual(t, byte(0x0B), msg[0], "authenticatorSelection sent to a CTAP 2.0 key")
				return key.CBOR(ctx, msg)
			}), func(command byte, response []byte) []byte {
				if command != 0x04 {
					return response
				}
				return bytesReplaced(response, "\x82\x68FIDO_2_0\x68FIDO_2_1", "\x81\x68FIDO_2_0")
			}}
			require.NoError(t, authenticator.NewCTAP2(old, authenticator.Descriptor{}).Select(t.Context()))
			require.Equal(t, 1, key.Touches())
		})
	}
}
