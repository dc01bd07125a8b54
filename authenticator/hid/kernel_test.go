//go:build linux

package hid_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/authenticator"
	"github.com/lakekey/lakekey/authenticator/hid"
	"github.com/lakekey/lakekey/authenticator/softkey"
)

// The kernel's own way, from a virtual USB key to hidraw and back: here where /dev/uhid
// can be written, otherwise in a virtual machine that boots a kernel of Debian's.
func TestRealKernel(t *testing.T) {
	if f, err := os.OpenFile("/dev/uhid", os.O_RDWR, 0); err == nil {
		require.NoError(t, f.Close())
		realKernel(t)
		return
	}
	deb := os.Getenv("LAKEKEY_KERNEL_DEB")
	if deb == "" {
		t.Skip("no /dev/uhid that can be written, and no kernel for a virtual machine: apt-get install qemu-system-x86 busybox-static cpio xz-utils fido2-tools, " +
			"apt-get download the package that linux-image-amd64 depends on, and set LAKEKEY_KERNEL_DEB to the file")
	}
	// This very test, static, runs in the machine.
	program := filepath.Join(t.TempDir(), "hid.test")
	build := exec.CommandContext(t.Context(), "go", "test", "-c", "-o", program, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)
	out, err = exec.CommandContext(t.Context(), "testdata/vm.sh", deb, program, "-test.run=^TestRealKernel$", "-test.v").CombinedOutput()
	t.Logf("%s", out)
	require.NoError(t, err)
	require.Contains(t, string(out), "--- PASS: TestRealKernel")
}

func realKernel(t *testing.T) {
	source := hid.NewSource(hid.Options{})
	defer source.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute) // an emulated processor is slow
	defer cancel()
	paths := func() []string {
		t.Helper()
		devices, err := source.Devices(ctx)
		require.NoError(t, err)
		var paths []string
		for _, d := range devices {
			if d.Descriptor().Product == "lakekey softkey" { // not a person's own key
				paths = append(paths, d.Descriptor().Path)
			}
		}
		return paths
	}
	require.Empty(t, paths())

	// One is plugged in, and that is noticed.
	noticed := make(chan error, 1)
	wait := func() { noticed <- source.Wait(ctx) }
	go wait()
	finger := newFinger()
	key, err := softkey.New(softkey.Options{PIN: []byte("1234"), Touch: finger.Touch})
	require.NoError(t, err)
	port, err := key.PlugUHID(ctx)
	require.NoError(t, err)
	require.NoError(t, <-noticed)
	require.Equal(t, []string{port.Path()}, paths())
	devices, err := source.Devices(ctx)
	require.NoError(t, err)
	device := devices[slices.IndexFunc(devices, func(d authenticator.Device) bool { return d.Descriptor().Path == port.Path() })]
	require.Equal(t, authenticator.Descriptor{
		Transport: "usb", Path: port.Path(), Product: "lakekey softkey", VendorID: 0x1209, ProductID: 0x0001,
	}, device.Descriptor())

	// It registers, signs in, and is cancelled.
	touches := make(chan struct{})
	go func() {
		for range touches {
			<-finger.waiting
			finger.touch <- struct{}{}
		}
	}()
	client := authenticator.NewClient(authenticator.Devices(device), authenticator.Options{UI: &person{pin: "1234"}})
	touches <- struct{}{}
	raw, err := client.Create(ctx, origin, creation)
	require.NoError(t, err)
	registered := read(t, raw)
	touches <- struct{}{}
	raw, err = client.Get(ctx, origin, verifiedRequest)
	require.NoError(t, err)
	require.NotZero(t, verify(t, registered, read(t, raw))&0x04)
	giveUp, cancelGet := context.WithCancel(ctx)
	go func() { <-finger.waiting; cancelGet() }()
	_, err = client.Get(giveUp, origin, request)
	require.ErrorIs(t, err, context.Canceled)
	_, err = device.Info(ctx)
	require.NoError(t, err)

	// A message of many reports, though not of more than uhid keeps.
	transport, err := hid.Open(ctx, port.Path())
	require.NoError(t, err)
	long := make([]byte, 1600)
	long[0], long[len(long)-1] = 1, 2
	echo, err := transport.Ping(ctx, long)
	require.NoError(t, err)
	require.Equal(t, long, echo)
	require.NoError(t, transport.Close())

	// A program that is not ours lists it.
	token, err := exec.LookPath("fido2-token")
	require.NoError(t, err, "apt-get install fido2-tools")
	out, err := exec.CommandContext(ctx, token, "-L").CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), port.Path()+": vendor=0x1209, product=0x0001")
	out, err = exec.CommandContext(ctx, token, "-I", port.Path()).CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), "FIDO_2_1")

	// Two at once: the one that is touched registers.
	second, err := softkey.New(softkey.Options{})
	require.NoError(t, err)
	secondPort, err := second.PlugUHID(ctx)
	require.NoError(t, err)
	require.ElementsMatch(t, []string{port.Path(), secondPort.Path()}, paths())
	both := hid.NewSource(hid.Options{Paths: []string{port.Path(), secondPort.Path()}})
	_, err = authenticator.NewClient(both, authenticator.Options{UI: &person{pin: "1234"}}).Create(ctx, origin, creation)
	require.NoError(t, err)
	require.NotZero(t, second.Touches())
	require.Equal(t, 2, key.Touches())
	require.NoError(t, both.Close())

	// Pulled out while it waits for a touch.
	for len(finger.waiting) > 0 {
		<-finger.waiting
	}
	failed := make(chan error, 1)
	go func() {
		_, err := client.Get(ctx, origin, request)
		failed <- err
	}()
	<-finger.waiting
	go wait()
	require.NoError(t, port.Unplug())
	require.ErrorIs(t, <-failed, hid.ErrRemoved)
	require.NoError(t, <-noticed)
	require.Equal(t, []string{secondPort.Path()}, paths())
	require.NoError(t, secondPort.Unplug())
	for len(paths()) > 0 {
		require.NoError(t, source.Wait(ctx))
	}
	close(touches)

	keygen, err := exec.LookPath("ssh-keygen")
	require.NoError(t, err, "apt-get install openssh-client")
	sshSigns(ctx, t, keygen)
}

// sshSigns makes an SSH key on a virtual USB key, signs with it and verifies that.
func sshSigns(ctx context.Context, t *testing.T, keygen string) {
	dir := t.TempDir()
	run := func(stdin string, args ...string) {
		t.Helper()
		c := exec.CommandContext(ctx, keygen, args...)
		c.Dir, c.Stdin = dir, strings.NewReader(stdin)
		out, err := c.CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
	for _, kind := range []string{"ecdsa-sk", "ed25519-sk"} {
		key, err := softkey.New(softkey.Options{})
		require.NoError(t, err)
		port, err := key.PlugUHID(ctx)
		require.NoError(t, err)
		run("", "-q", "-t", kind, "-N", "", "-f", kind)
		signed := exec.CommandContext(ctx, keygen, "-Y", "sign", "-n", "file", "-f", kind)
		signed.Dir, signed.Stdin = dir, strings.NewReader("what is signed")
		signature, err := signed.Output()
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, "signature"), signature, 0o600))
		public, err := os.ReadFile(filepath.Join(dir, kind+".pub"))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, "signers"), append([]byte("ada@example.com "), public...), 0o600))
		run("what is signed", "-Y", "verify", "-n", "file", "-I", "ada@example.com", "-f", "signers", "-s", "signature")
		require.Equal(t, 2, key.Touches())
		require.NoError(t, port.Unplug())
	}
}
