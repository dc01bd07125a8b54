package authenticatortest

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lakekey/lakekey/authenticator"
	"github.com/lakekey/lakekey/authenticator/softkey"
)

// Faults are a backend's errors for keys that are not usable.
type Faults struct {
	Removed, NotResponding error
	Busy                   func(error) bool
	MadIsU2F               bool // a key that answers nonsense passes for one that knows U2F only
}

// TestFaults tests the devices that open makes of a device node, with keys that are
// busy, silent, gone or mad. Every call must end with its ctx, in a typed error.
func TestFaults(t *testing.T, open func(t testing.TB, path string) authenticator.Device, f Faults) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, b *faultBench)
	}{
		{"held by another program", busy},
		{"silent", silent},
		{"mad", mad},
		{"unplugged while it waits for a touch", unplugged},
		{"unplugged before it is used", missing},
		{"not permitted", forbidden},
		{"given up while it is stuck, usable when it is not", stuck},
		{"unplugged at every step", unpluggedAtEveryStep},
		{"cancelled at every step", cancelledAtEveryStep},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, &faultBench{open: open, Faults: f}) })
	}
}

type faultBench struct {
	Faults
	open func(t testing.TB, path string) authenticator.Device
}

func newKey(t testing.TB, o softkey.Options) *softkey.Key {
	t.Helper()
	key, err := softkey.New(o)
	must(t, err)
	t.Cleanup(func() { key.Close() })
	return key
}

// short is a ctx that is over soon.
func short(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	t.Cleanup(cancel)
	return ctx
}

// bounded runs an operation and fails if it outlives all patience.
func bounded(t testing.TB, run func() error) error {
	t.Helper()
	returned := make(chan error, 1)
	go func() { returned <- run() }()
	select {
	case err := <-returned:
		return err
	case <-time.After(patience):
		t.Fatal("still waiting")
		return nil
	}
}

func busy(t *testing.T, b *faultBench) {
	port := Plug(t, newKey(t, softkey.Options{}))
	other, err := unix.Open(port.Path, unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	must(t, err)
	must(t, unix.Flock(other, unix.LOCK_EX))
	d := b.open(t, port.Path)
	ctx := short(t)
	err = bounded(t, func() error { _, err := d.Info(ctx); return err })
	check(t, b.Busy(err) && errors.Is(err, context.DeadlineExceeded), "error %v", err)
	ctx, cancel := context.WithCancel(background(t))
	time.AfterFunc(20*time.Millisecond, cancel)
	err = bounded(t, func() error { _, err := d.MakeCredential(ctx, creation("alice")); return err })
	check(t, b.Busy(err) && errors.Is(err, context.Canceled), "error %v", err)
	// Whoever waits goes on when the other program is done.
	time.AfterFunc(50*time.Millisecond, func() { unix.Close(other) })
	register(t, d, creation("alice"))
}

func silent(t *testing.T, b *faultBench) {
	t.Run("until ctx", func(t *testing.T) {
		d := b.open(t, Plug(t, nil).Path)
		for name, run := range operations(&authenticator.MakeCredentialResult{CredentialID: hash("none")}) {
			ctx := short(t)
			err := bounded(t, func() error { return run(ctx, d) })
			check(t, errors.Is(err, context.DeadlineExceeded) || errors.Is(err, b.NotResponding), "%s: error %v", name, err)
		}
	})
	t.Run("without a deadline", func(t *testing.T) {
		d := b.open(t, Plug(t, nil).Path)
		err := bounded(t, func() error { _, err := d.Info(background(t)); return err })
		isError(t, err, b.NotResponding)
	})
}

// lunatic answers everything, with the same nonsense.
type lunatic []byte

func (l lunatic) CBOR(context.Context, []byte) ([]byte, error) { return l, nil }

func mad(t *testing.T, b *faultBench) {
	for _, answer := range []lunatic{{}, {0}, {0, 0xFF}, {0, 0x80}, {0, 0xA1, 1, 0x9F}, {0, 0xBB, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF}, make(lunatic, 7609), {0x7F}, {0xF3, 1, 2}} {
		d := b.open(t, Plug(t, answer).Path)
		ctx := short(t)
		err := bounded(t, func() error {
			got, err := d.Info(ctx)
			if err == nil && b.MadIsU2F {
				check(t, len(got.Versions) == 1 && got.Versions[0] == "U2F_V2", "% x: versions %v", answer[:min(len(answer), 8)], got.Versions)
				_, err = d.MakeCredential(ctx, creation("alice"))
			}
			return err
		})
		check(t, err != nil, "% x: taken for an answer", answer[:min(len(answer), 8)])
	}
}

func unplugged(t *testing.T, b *faultBench) {
	for name, run := range operations(&authenticator.MakeCredentialResult{CredentialID: nil}) {
		if name == "get assertion" {
			continue // needs a credential of the key: below
		}
		touch := newFinger()
		port := Plug(t, newKey(t, softkey.Options{Touch: touch.wait}))
		d := b.open(t, port.Path)
		touch.onWait(port.Unplug)
		err := bounded(t, func() error { return run(background(t), d) })
		check(t, errors.Is(err, b.Removed), "%s: error %v, want %v", name, err, b.Removed)
	}
	touch := newFinger()
	port := Plug(t, newKey(t, softkey.Options{Touch: touch.wait}))
	d := b.open(t, port.Path)
	touch.press(1)
	made := register(t, d, creation("alice"))
	touch.onWait(port.Unplug)
	err := bounded(t, func() error { _, err := d.GetAssertion(background(t), assertion(made.CredentialID)); return err })
	isError(t, err, b.Removed)
	_, err = d.Info(background(t))
	isError(t, err, b.Removed)
}

func missing(t *testing.T, b *faultBench) {
	port := Plug(t, newKey(t, softkey.Options{}))
	d := b.open(t, port.Path)
	port.Unplug()
	_, err := d.Info(background(t))
	isError(t, err, b.Removed)
}

// nobody is a user who may nothing.
const nobody = 65534

// forbidden runs as somebody who is not allowed everything, in a program of their own if
// this one's user is.
func forbidden(t *testing.T, b *faultBench) {
	if os.Geteuid() == 0 {
		// This name of the program leads there however private the way to its file is.
		run := exec.Command("/proc/self/exe", "-test.v", "-test.run=^"+strings.ReplaceAll(t.Name(), "/", "$/^")+"$")
		run.Dir = "/"
		run.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
		out, err := run.CombinedOutput()
		check(t, err == nil && bytes.Contains(out, []byte("--- PASS: "+t.Name()+" ")), "as user %d: %v\n%s", nobody, err, out)
		return
	}
	port := Plug(t, newKey(t, softkey.Options{}))
	must(t, os.Chmod(port.Path, 0))
	d := b.open(t, port.Path)
	_, err := d.Info(background(t))
	isError(t, err, fs.ErrPermission)
}

// deaf is a key that does not hear a cancellation.
type deaf struct {
	*softkey.Key
	on atomic.Bool
}

func (k *deaf) CBOR(ctx context.Context, msg []byte) ([]byte, error) {
	if k.on.Load() {
		ctx = context.WithoutCancel(ctx)
	}
	return k.Key.CBOR(ctx, msg)
}

func stuck(t *testing.T, b *faultBench) {
	touch := newFinger()
	key := &deaf{Key: newKey(t, softkey.Options{Touch: touch.wait})}
	d := b.open(t, Plug(t, key).Path)
	touch.press(1)
	made := register(t, d, creation("alice"))
	key.on.Store(true)
	ctx := short(t)
	err := bounded(t, func() error { _, err := d.GetAssertion(ctx, assertion(made.CredentialID)); return err })
	isError(t, err, context.DeadlineExceeded)
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	err = bounded(t, func() error { _, err := d.Info(ctx); return err })
	check(t, errors.Is(err, context.DeadlineExceeded) || errors.Is(err, b.NotResponding), "error %v", err)
	touch.press(1)
	key.on.Store(false)
	for range 200 { // until the touch has ended what was stuck
		if _, err = d.Info(background(t)); err == nil {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	must(t, err)
	touch.press(2) // one too many, if the key was reached in time
	_, err = d.GetAssertion(background(t), assertion(made.CredentialID))
	must(t, err)
}
