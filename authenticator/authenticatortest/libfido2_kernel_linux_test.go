//go:build libfido2 && cgo

package authenticatortest_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/authenticator"
	"github.com/lakekey/lakekey/authenticator/libfido2"
	"github.com/lakekey/lakekey/authenticator/softkey"
)

const (
	kernelCreation = `{"rp":{"id":"example.org","name":"Example"},"user":{"id":"YWxpY2U","name":"alice","displayName":"Alice"},
	"challenge":"AAAAAAAAAAAAAAAAAAAAAA","pubKeyCredParams":[{"type":"public-key","alg":-7}],"authenticatorSelection":{"residentKey":"required"}}`
	kernelRequest = `{"rpId":"example.org","challenge":"ZmVkY2JhOTg3NjU0MzIxMA","userVerification":"required"}`
)

// libfido2 finds and uses a virtual USB key through the kernel's hidraw, as package hid
// does: here where /dev/uhid can be written, otherwise in a virtual machine.
func TestLibfido2OverRealKernel(t *testing.T) {
	if f, err := os.OpenFile("/dev/uhid", os.O_RDWR, 0); err == nil {
		require.NoError(t, f.Close())
		libfido2OverKernel(t)
		return
	}
	deb := os.Getenv("LAKEKEY_KERNEL_DEB")
	if deb == "" {
		t.Skip("no /dev/uhid that can be written, and no kernel for a virtual machine: apt-get install qemu-system-x86 busybox-static cpio xz-utils fido2-tools, " +
			"apt-get download the package that linux-image-amd64 depends on, and set LAKEKEY_KERNEL_DEB to the file")
	}
	// This very test runs in the machine, beside the libraries that it needs.
	program := filepath.Join(t.TempDir(), "libfido2.test")
	out, err := exec.CommandContext(t.Context(), "go", "test", "-tags", "libfido2", "-c", "-o", program, ".").CombinedOutput()
	require.NoError(t, err, "%s", out)
	out, err = exec.CommandContext(t.Context(), "../hid/testdata/vm.sh", deb, program, "-test.run=^TestLibfido2OverRealKernel$", "-test.v").CombinedOutput()
	t.Logf("%s", out)
	require.NoError(t, err)
	require.Contains(t, string(out), "--- PASS: TestLibfido2OverRealKernel")
}

// typist is a person who knows the PIN.
type typist struct{ authenticator.UI }

func (typist) PIN(context.Context, authenticator.PINPrompt) ([]byte, error) {
	return []byte("1234"), nil
}
func (typist) Touch(context.Context, authenticator.Prompt) (func(), error) { return nil, nil }

func libfido2OverKernel(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute) // an emulated processor is slow
	defer cancel()
	source, err := libfido2.NewSource()
	require.NoError(t, err)
	// found returns the device at a path, once it is listed.
	found := func(path string) (device authenticator.Device) {
		require.Eventually(t, func() bool {
			devices, err := source.Devices(ctx)
			require.NoError(t, err)
			for _, d := range devices {
				if d.Descriptor().Path == path {
					device = d
				}
			}
			return device != nil
		}, time.Minute, 50*time.Millisecond)
		return device
	}
	plug := func(o softkey.Options) (*softkey.Key, *softkey.Port) {
		key, err := softkey.New(o)
		require.NoError(t, err)
		port, err := key.PlugUHID(ctx)
		require.NoError(t, err)
		return key, port
	}

	key, port := plug(softkey.Options{PIN: []byte("1234")})
	device := found(port.Path())
	require.Equal(t, uint16(0x1209), device.Descriptor().VendorID)
	client := authenticator.NewClient(authenticator.Devices(device), authenticator.Options{UI: typist{}})
	_, err = client.Create(ctx, "https://example.org", []byte(kernelCreation))
	require.NoError(t, err)
	_, err = client.Get(ctx, "https://example.org", []byte(kernelRequest))
	require.NoError(t, err)
	require.Equal(t, 2, key.Touches())

	// Two at once, and then one again.
	_, second := plug(softkey.Options{})
	both := authenticator.NewClient(authenticator.Devices(device, found(second.Path())), authenticator.Options{UI: typist{}})
	_, err = both.Create(ctx, "https://example.org", []byte(kernelCreation))
	require.NoError(t, err)
	require.NoError(t, port.Unplug())
	_, err = device.Info(ctx)
	require.ErrorIs(t, err, libfido2.ErrRemoved)
	require.NoError(t, second.Unplug())
}
