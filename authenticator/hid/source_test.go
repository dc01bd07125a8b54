//go:build linux

package hid_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/authenticator"
	"github.com/lakekey/lakekey/authenticator/hid"
	"github.com/lakekey/lakekey/authenticator/softkey"
)

// kernel is a folder that looks like sysfs and /dev, in which keys are pseudo-terminals.
type kernel struct {
	t      *testing.T
	root   string
	serial int
}

func newKernel(t *testing.T) (*kernel, *hid.Source) {
	t.Helper()
	k := &kernel{t: t, root: t.TempDir()}
	for _, dir := range []string{"class", "dev", "devices"} {
		require.NoError(t, os.Mkdir(filepath.Join(k.root, dir), 0o755))
	}
	s := hid.NewSource(hid.Options{})
	s.SetTree(filepath.Join(k.root, "class"), filepath.Join(k.root, "dev"))
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return k, s
}

// add shows a device; what it is is made complete before it appears.
func (k *kernel) add(name, node string, descriptor []byte, uevent string) {
	k.t.Helper()
	k.serial++
	device := filepath.Join(k.root, "devices", fmt.Sprintf("0003:1050:0407.%04X", k.serial))
	require.NoError(k.t, os.Mkdir(device, 0o755))
	require.NoError(k.t, os.WriteFile(filepath.Join(device, "report_descriptor"), descriptor, 0o600))
	require.NoError(k.t, os.WriteFile(filepath.Join(device, "uevent"), []byte(uevent), 0o600))
	entry := filepath.Join(k.root, "devices", name+fmt.Sprint(k.serial))
	require.NoError(k.t, os.Mkdir(entry, 0o755))
	require.NoError(k.t, os.Symlink(device, filepath.Join(entry, "device")))
	if node != "" {
		require.NoError(k.t, os.Symlink(node, filepath.Join(k.root, "dev", name)))
	}
	require.NoError(k.t, os.Symlink(entry, filepath.Join(k.root, "class", name)))
}

func (k *kernel) remove(name string) {
	k.t.Helper()
	require.NoError(k.t, os.Remove(filepath.Join(k.root, "class", name)))
	require.NoError(k.t, os.Remove(filepath.Join(k.root, "dev", name)))
}

const yubikey = "DRIVER=hid-generic\nHID_ID=0003:00001050:00000407\nHID_NAME=Yubico YubiKey\x1b[31m OTP+FIDO+CCID\nHID_PHYS=usb-0000:00:14.0-2/input1\n"

func TestSourceFindsKeys(t *testing.T) {
	kernel, source := newKernel(t)
	_, port := plug(t, softkey.Options{})
	_, second := plug(t, softkey.Options{})
	devices, err := source.Devices(t.Context())
	require.NoError(t, err)
	require.Empty(t, devices)

	kernel.add("hidraw10", second.Path(), fidoDescriptor, "HID_ID=nonsense\nHID_NAME=Other\n")
	kernel.add("hidraw2", "/dev/null", unhex("05010902a101c0"), "HID_NAME=Mouse\n")
	kernel.add("hidraw9", port.Path(), fidoDescriptor, yubikey)
	devices, err = source.Devices(t.Context())
	require.NoError(t, err)
	require.Len(t, devices, 2, "the mouse is no key")
	require.Equal(t, authenticator.Descriptor{
		Transport: "usb", Path: filepath.Join(kernel.root, "dev/hidraw9"),
		Product: "Yubico YubiKey[31m OTP+FIDO+CCID", VendorID: 0x1050, ProductID: 0x0407,
	}, devices[0].Descriptor())
	require.Equal(t, "Other", devices[1].Descriptor().Product)
	for _, d := range devices {
		info, err := d.Info(soon(t))
		require.NoError(t, err)
		require.Contains(t, info.Versions, "FIDO_2_1")
	}

	again, err := source.Devices(t.Context())
	require.NoError(t, err)
	require.Same(t, devices[0], again[0], "a key is the same Device for as long as it is plugged in")

	kernel.remove("hidraw9")
	kernel.add("hidraw9", port.Path(), fidoDescriptor, yubikey)
	again, err = source.Devices(t.Context())
	require.NoError(t, err)
	require.NotSame(t, devices[0], again[0], "and another one when it is plugged in anew")
	require.Same(t, devices[1], again[1])

	require.NoError(t, source.Close())
	_, err = source.Devices(t.Context())
	require.ErrorContains(t, err, "closed")
	_, err = again[0].Info(t.Context())
	require.Error(t, err)
}

func TestSourceWithoutHidraw(t *testing.T) {
	source := hid.NewSource(hid.Options{})
	source.SetTree(filepath.Join(t.TempDir(), "none"), "/dev")
	devices, err := source.Devices(t.Context())
	require.NoError(t, err)
	require.Empty(t, devices)
	done, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = source.Devices(done)
	require.ErrorIs(t, err, context.Canceled)
}

// A key that is held by a Source is free for others when nobody uses it.
func TestSourceGivesKeysBack(t *testing.T) {
	_, port := plug(t, softkey.Options{})
	source := hid.NewSource(hid.Options{Paths: []string{port.Path(), filepath.Join(t.TempDir(), "unplugged")}})
	defer source.Close()
	devices, err := source.Devices(t.Context())
	require.NoError(t, err)
	require.Len(t, devices, 1)
	for range 3 {
		_, err = devices[0].Info(soon(t))
		require.NoError(t, err)
		transport, err := hid.Open(soon(t), port.Path())
		require.NoError(t, err)
		require.NoError(t, transport.Close())
	}
}

// A key that leaves and comes back at the same path works again.
func TestSourceReopens(t *testing.T) {
	key, port := plug(t, softkey.Options{})
	path := filepath.Join(t.TempDir(), "key")
	require.NoError(t, os.Symlink(port.Path(), path))
	source := hid.NewSource(hid.Options{Paths: []string{path}})
	defer source.Close()
	devices, err := source.Devices(t.Context())
	require.NoError(t, err)
	_, err = devices[0].Info(soon(t))
	require.NoError(t, err)
	require.NoError(t, port.Unplug())
	_, err = devices[0].Info(soon(t))
	require.ErrorIs(t, err, hid.ErrRemoved)

	again, err := key.PlugPTY()
	require.NoError(t, err)
	defer again.Unplug()
	require.NoError(t, os.Remove(path))
	require.NoError(t, os.Symlink(again.Path(), path))
	devices, err = source.Devices(t.Context())
	require.NoError(t, err)
	_, err = devices[0].Info(soon(t))
	require.NoError(t, err)
}

func TestWait(t *testing.T) {
	kernel, source := newKernel(t)
	_, port := plug(t, softkey.Options{})
	_, err := source.Devices(t.Context())
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- source.Wait(ctx) }()
	cancel()
	require.ErrorIs(t, <-done, context.Canceled)

	changed := func() { t.Helper(); require.NoError(t, source.Wait(soon(t))) }
	go func() { done <- source.Wait(soon(t)) }()
	kernel.add("hidraw0", port.Path(), fidoDescriptor, yubikey)
	require.NoError(t, <-done)
	changed() // until Devices is called: a change is never missed
	devices, err := source.Devices(t.Context())
	require.NoError(t, err)
	require.Len(t, devices, 1)

	go func() { done <- source.Wait(soon(t)) }()
	kernel.remove("hidraw0")
	require.NoError(t, <-done)
	devices, err = source.Devices(t.Context())
	require.NoError(t, err)
	require.Empty(t, devices)

	// A node that udev has not made ready yet.
	kernel.add("hidraw1", "", fidoDescriptor, yubikey)
	_, err = source.Devices(t.Context())
	require.NoError(t, err)
	go func() { done <- source.Wait(soon(t)) }()
	require.NoError(t, os.Symlink(port.Path(), filepath.Join(kernel.root, "dev/hidraw1")))
	require.NoError(t, <-done)
}

// Close ends what runs on a key, be it the wait for a touch or for another program, and
// says that this is why.
func TestSourceCloseEndsWhatRuns(t *testing.T) {
	person := newFinger()
	_, waiting := plug(t, softkey.Options{Touch: person.Touch})
	_, busy := plug(t, softkey.Options{})
	holder := open(t, busy.Path())
	source := hid.NewSource(hid.Options{Paths: []string{waiting.Path(), busy.Path()}})
	devices, err := source.Devices(t.Context())
	require.NoError(t, err)
	require.Len(t, devices, 2)
	ended := make(chan error, len(devices))
	for _, d := range devices {
		go func() { ended <- d.Select(t.Context()) }()
	}
	<-person.waiting
	require.NoError(t, source.Close())
	for range devices {
		err := <-ended
		require.ErrorContains(t, err, "closed")
		require.NotErrorIs(t, err, context.Canceled, "the caller did not give up")
	}
	_, err = open(t, waiting.Path()).CBOR(soon(t), getInfo)
	require.NoError(t, err, "the key was given back")
	_, err = holder.CBOR(soon(t), getInfo)
	require.NoError(t, err)
	_, err = devices[0].Info(t.Context())
	require.ErrorContains(t, err, "closed")
}
