package authenticatortest_test

import (
	"testing"

	"github.com/lakekey/lakekey/authenticator"
	"github.com/lakekey/lakekey/authenticator/authenticatortest"
)

func TestDevice(t *testing.T) {
	authenticatortest.TestDevice(t, func(_ testing.TB, key authenticator.Transport) authenticator.Device {
		return authenticator.NewCTAP2(key, authenticator.Descriptor{Transport: "usb"})
	}, authenticatortest.Limits{})
}
