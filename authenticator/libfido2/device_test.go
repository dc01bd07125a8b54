//go:build libfido2 && cgo && linux

package libfido2_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/authenticator"
	"github.com/lakekey/lakekey/authenticator/authenticatortest"
	"github.com/lakekey/lakekey/authenticator/libfido2"
)

// open plugs a key in and reaches it through libfido2.
func open(t testing.TB, key authenticator.Transport) authenticator.Device {
	t.Helper()
	source, err := libfido2.NewSource()
	require.NoError(t, err)
	d, err := source.Open(authenticatortest.Plug(t, key).Path)
	require.NoError(t, err)
	t.Cleanup(func() { d.Close() })
	return d
}

// The limits of this backend: see the package documentation.
var limits = authenticatortest.Limits{FirstAccountOnly: true, BareInfo: true, BlindToBlock: true, MuteSelect: true, LeafOnly: true, NoSensor: true}

func TestDevice(t *testing.T) { authenticatortest.TestDevice(t, open, limits) }

func TestFaults(t *testing.T) {
	authenticatortest.TestFaults(t, func(t testing.TB, path string) authenticator.Device {
		source, err := libfido2.NewSource()
		require.NoError(t, err)
		d, err := source.Open(path)
		require.NoError(t, err)
		return d
	}, authenticatortest.Faults{
		Removed:       libfido2.ErrRemoved,
		NotResponding: libfido2.ErrNotResponding,
		MadIsU2F:      true,
		Busy: func(err error) bool {
			var busy *libfido2.BusyError
			return errors.As(err, &busy)
		},
	})
}
