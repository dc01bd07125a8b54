package authenticatortest_test

import (
	"errors"
	"testing"

	"github.com/lakekey/lakekey/authenticator"
	"github.com/lakekey/lakekey/authenticator/authenticatortest"
	"github.com/lakekey/lakekey/authenticator/hid"
)

// overHID reaches the key at a path as a hid.Source does.
func overHID(t testing.TB, path string) authenticator.Device {
	t.Helper()
	source := hid.NewSource(hid.Options{Paths: []string{path}})
	devices, err := source.Devices(t.Context())
	if err != nil || len(devices) != 1 {
		t.Fatalf("%d devices at %s, error %v", len(devices), path, err)
	}
	return devices[0]
}

// The same suite that package libfido2 passes with limits.
func TestDeviceOverHID(t *testing.T) {
	authenticatortest.TestDevice(t, func(t testing.TB, key authenticator.Transport) authenticator.Device {
		return overHID(t, authenticatortest.Plug(t, key).Path)
	}, authenticatortest.Limits{})
}

func TestFaultsOverHID(t *testing.T) {
	authenticatortest.TestFaults(t, overHID, authenticatortest.Faults{
		Removed:       hid.ErrRemoved,
		NotResponding: hid.ErrNotResponding,
		Busy: func(err error) bool {
			var busy *hid.BusyError
			return errors.As(err, &busy)
		},
	})
}

// Whole ceremonies over CTAPHID, with no departure.
func TestClientOverHID(t *testing.T) {
	authenticatortest.TestClient(t, func(t testing.TB, ui authenticator.UI, keys ...authenticator.Transport) authenticatortest.Ceremonies {
		paths := []string{"/dev/no-such-key"} // a list, if of nothing: discovery would find this machine's own keys
		for _, key := range keys {
			paths = append(paths, authenticatortest.Plug(t, key).Path)
		}
		source := hid.NewSource(hid.Options{Paths: paths})
		t.Cleanup(func() { source.Close() })
		return authenticator.NewClient(source, authenticator.Options{UI: ui})
	})
}
