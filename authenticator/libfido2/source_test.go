//go:build libfido2 && cgo && linux

package libfido2_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/authenticator"
	"github.com/lakekey/lakekey/authenticator/authenticatortest"
	"github.com/lakekey/lakekey/authenticator/libfido2"
	"github.com/lakekey/lakekey/authenticator/libfido2/internal/interpose"
	"github.com/lakekey/lakekey/authenticator/softkey"
)

const creationOptions = `{"rp":{"id":"example.org","name":"Example"},"user":{"id":"YWxpY2U","name":"alice","displayName":"Alice"},
	"challenge":"AAAAAAAAAAAAAAAAAAAAAA","pubKeyCredParams":[{"type":"public-key","alg":-7}]}`

func TestListsKeysAndTakesTheTouchedOne(t *testing.T) {
	t.Cleanup(interpose.Clear)
	source, err := libfido2.NewSource()
	require.NoError(t, err)
	ctx := t.Context()
	devices, err := source.Devices(ctx)
	require.NoError(t, err)
	require.Empty(t, devices)

	touched := make(chan struct{}, 2)
	first, err := softkey.New(softkey.Options{Touch: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }})
	require.NoError(t, err)
	second, err := softkey.New(softkey.Options{Touch: func(ctx context.Context) error {
		select {
		case <-touched:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}})
	require.NoError(t, err)
	paths := []string{authenticatortest.Plug(t, first).Path, authenticatortest.Plug(t, second).Path}
	require.True(t, interpose.Add(paths[0], "Maker", "Fi\x1b[rst"))
	require.True(t, interpose.Add(paths[1], "Maker", "\a"))
	devices, err = source.Devices(ctx)
	require.NoError(t, err)
	require.Len(t, devices, 2)
	require.Equal(t, authenticator.Descriptor{Transport: "usb", Path: paths[0], Product: "Fi[rst"}, devices[0].Descriptor())
	require.Equal(t, authenticator.Descriptor{Transport: "usb", Path: paths[1], Product: "Maker"}, devices[1].Descriptor())

	// Both blink, and the second is touched.
	touched <- struct{}{}
	touched <- struct{}{}
	_, err = authenticator.NewClient(source, authenticator.Options{}).Create(ctx, "https://example.org", []byte(creationOptions))
	require.NoError(t, err)
	require.NotZero(t, second.Touches())
	require.Zero(t, first.Touches())

	done, cancel := context.WithCancel(ctx)
	cancel()
	_, err = source.Devices(done)
	require.ErrorIs(t, err, context.Canceled)
}

// Two devices of one path take turns, as one device does.
func TestOnePathOneOperation(t *testing.T) {
	source, err := libfido2.NewSource()
	require.NoError(t, err)
	blinks := make(chan struct{}, 1)
	key, err := softkey.New(softkey.Options{Touch: func(ctx context.Context) error {
		blinks <- struct{}{}
		<-ctx.Done()
		return ctx.Err()
	}})
	require.NoError(t, err)
	path := authenticatortest.Plug(t, key).Path
	one, err := source.Open(path)
	require.NoError(t, err)
	other, err := source.Open(path)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- one.Select(ctx) }()
	<-blinks
	waiting, stop := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer stop()
	_, err = other.Info(waiting)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	var busy *libfido2.BusyError
	require.NotErrorAs(t, err, &busy, "it is this program that uses the key")
	cancel()
	require.ErrorIs(t, <-ended, context.Canceled)
	_, err = other.Info(t.Context())
	require.NoError(t, err)
}

func TestAPathMustBeOne(t *testing.T) {
	source, err := libfido2.NewSource()
	require.NoError(t, err)
	for _, path := range []string{"", "/dev/hid\x00raw0"} {
		_, err := source.Open(path)
		require.Error(t, err)
	}
}
