package authenticatortest_test

import (
	"testing"

	"github.com/lakekey/lakekey/authenticator"
	"github.com/lakekey/lakekey/authenticator/authenticatortest"
)

// overSoftware uses keys in this process.
func overSoftware(_ testing.TB, ui authenticator.UI, keys ...authenticator.Transport) authenticatortest.Ceremonies {
	var devices []authenticator.Device
	for _, key := range keys {
		devices = append(devices, authenticator.NewCTAP2(key, authenticator.Descriptor{Transport: "usb"}))
	}
	return authenticator.NewClient(authenticator.Devices(devices...), authenticator.Options{UI: ui})
}

func TestClient(t *testing.T) { authenticatortest.TestClient(t, overSoftware) }
