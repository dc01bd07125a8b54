//go:build linux

package hid_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/authenticator"
	"github.com/lakekey/lakekey/authenticator/hid"
	"github.com/lakekey/lakekey/authenticator/softkey"
)

var (
	_ authenticator.U2FTransport = (*hid.Transport)(nil)
	_ interface {
		authenticator.Source
		Wait(ctx context.Context) error
	} = (*hid.Source)(nil)
)

// bound is for waits that end at once unless something is broken.
const bound = 30 * time.Second

// selection is authenticatorSelection: wait for a touch.
var selection = []byte{0x0B}

// getInfo is authenticatorGetInfo.
var getInfo = []byte{0x04}

// plug makes a key and plugs it in.
func plug(t testing.TB, o softkey.Options) (*softkey.Key, *softkey.Port) {
	t.Helper()
	key, err := softkey.New(o)
	require.NoError(t, err)
	port, err := key.PlugPTY()
	require.NoError(t, err)
	t.Cleanup(func() { _ = port.Unplug() }) // twice, in tests that unplug it
	return key, port
}

func open(t testing.TB, path string) *hid.Transport {
	t.Helper()
	transport, err := hid.Open(t.Context(), path)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, transport.Close()) })
	return transport
}

// finger is a person: touched is sent to for a touch, waiting tells that the key waits.
type finger struct{ waiting, touch chan struct{} }

func newFinger() *finger {
	return &finger{waiting: make(chan struct{}, 16), touch: make(chan struct{})}
}

func (f *finger) Touch(ctx context.Context) error {
	f.waiting <- struct{}{}
	select {
	case <-f.touch:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// soon is a ctx with a deadline that a healthy machine does not come near to.
func soon(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), bound)
	t.Cleanup(cancel)
	return ctx
}

func TestProperties(t *testing.T) {
	_, port := plug(t, softkey.Options{})
	transport := open(t, port.Path())
	require.Equal(t, hid.Properties{Protocol: 2, Version: [3]byte{1, 0, 0}, Wink: true, CTAP2: true}, transport.Properties())
	require.NoError(t, transport.Wink(t.Context()))
	require.Equal(t, 1, port.Winks())
	_, err := transport.MSG(t.Context(), []byte{0, 3, 0, 0, 0, 0, 0})
	require.ErrorIs(t, err, hid.Error(0x01))
}

func TestFragmentation(t *testing.T) {
	_, port := plug(t, softkey.Options{})
	transport := open(t, port.Path())
	// Each side of every boundary between frames, and the ends.
	lengths := []int{0, 1, 56, 57, 58, 57 + 59 - 1, 57 + 59, 57 + 59 + 1, 4000, 7608, 7609}
	for n := 57; n < 7609; n += 59 * 16 {
		lengths = append(lengths, n, n+1)
	}
	for _, n := range lengths {
		sent := make([]byte, n)
		_, _ = rand.Read(sent)
		got, err := transport.Ping(soon(t), sent)
		require.NoError(t, err, n)
		require.True(t, bytes.Equal(sent, got), n)
	}
	_, err := transport.Ping(t.Context(), make([]byte, 7610))
	require.ErrorContains(t, err, "CTAPHID carries 7609")
	_, err = transport.CBOR(t.Context(), getInfo)
	require.NoError(t, err, "the key works after a message that was not sent")
}

func TestCancelDuringTouch(t *testing.T) {
	person := newFinger()
	key, port := plug(t, softkey.Options{Touch: person.Touch})
	transport := open(t, port.Path())
	for range 20 {
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() {
			_, err := transport.CBOR(ctx, selection)
			done <- err
		}()
		<-person.waiting
		cancel()
		require.ErrorIs(t, <-done, context.Canceled)

		answer, err := transport.CBOR(soon(t), getInfo)
		require.NoError(t, err, "the next call finds the key usable")
		require.Zero(t, answer[0])
	}
	require.Zero(t, key.Touches())
	go func() { person.touch <- struct{}{} }()
	answer, err := transport.CBOR(soon(t), selection)
	require.NoError(t, err)
	require.Equal(t, []byte{0}, answer)
	require.Equal(t, 1, key.Touches())
}

// The caller gets its error although the key never acknowledges the cancel.
func TestCancelIsPrompt(t *testing.T) {
	for name, fault := range map[string]softkey.Fault{"mute": softkey.Mute, "silent": softkey.Silent, "flood": softkey.Flood, "wrong channel": softkey.WrongChannel} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, port := plug(t, softkey.Options{})
			transport := open(t, port.Path())
			port.SetFault(fault)
			var fastest time.Duration
			for range 3 { // the machine may be busy, but not each time
				ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
				start := time.Now()
				_, err := transport.CBOR(ctx, getInfo)
				took := time.Since(start) - 50*time.Millisecond
				cancel()
				require.ErrorIs(t, err, context.DeadlineExceeded)
				if fastest == 0 || took < fastest {
					fastest = took
				}
			}
			require.Less(t, fastest, 100*time.Millisecond)

			port.SetFault(softkey.Healthy)
			_, err := transport.CBOR(soon(t), getInfo)
			require.NoError(t, err, "the key works again when it is well again")
		})
	}
}

func TestMalformed(t *testing.T) {
	_, port := plug(t, softkey.Options{})
	transport := open(t, port.Path())
	for name, fault := range map[string]softkey.Fault{"garbage": softkey.Garbage, "oversized": softkey.Oversized, "sequence": softkey.BadSequence} {
		port.SetFault(fault)
		_, err := transport.CBOR(soon(t), getInfo)
		require.ErrorIs(t, err, hid.ErrMalformed, name)
		port.SetFault(softkey.Healthy)
		_, err = transport.CBOR(soon(t), getInfo)
		require.NoError(t, err, name)
	}
	port.SetFault(softkey.Slow)
	answer, err := transport.CBOR(soon(t), getInfo)
	require.NoError(t, err)
	require.Zero(t, answer[0])
}

func TestGarbageCBOR(t *testing.T) {
	_, port := plug(t, softkey.Options{})
	port.SetFault(softkey.GarbageCBOR)
	device := authenticator.NewCTAP2(open(t, port.Path()), authenticator.Descriptor{})
	_, err := device.Info(soon(t))
	require.ErrorContains(t, err, "malformed")
}

func TestSilentKey(t *testing.T) {
	_, port := plug(t, softkey.Options{})
	port.SetFault(softkey.Silent)
	_, err := hid.Open(soon(t), port.Path())
	require.ErrorIs(t, err, hid.ErrNotResponding)

	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err = hid.Open(ctx, port.Path())
	require.ErrorIs(t, err, context.DeadlineExceeded)

	port.SetFault(softkey.Healthy)
	open(t, port.Path())
}

func TestBusyChannel(t *testing.T) {
	_, port := plug(t, softkey.Options{})
	transport := open(t, port.Path())
	port.SetFault(softkey.Busy)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	_, err := transport.CBOR(ctx, getInfo)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	busy, ok := errors.AsType[*hid.BusyError](err)
	require.True(t, ok, "%v", err)
	require.Equal(t, port.Path(), busy.Path)

	done := make(chan error, 1)
	go func() {
		_, err := transport.CBOR(soon(t), getInfo)
		done <- err
	}()
	time.Sleep(30 * time.Millisecond) // so that it is refused at least once
	port.SetFault(softkey.Healthy)
	require.NoError(t, <-done, "it is repeated until the other program is through")
}

func TestLock(t *testing.T) {
	_, port := plug(t, softkey.Options{})
	transport := open(t, port.Path())
	require.NoError(t, transport.Lock(t.Context(), 1500*time.Millisecond))
	_, err := transport.CBOR(t.Context(), getInfo)
	require.NoError(t, err, "the holder may use it")
	require.NoError(t, transport.Lock(t.Context(), 0))
	require.ErrorContains(t, transport.Lock(t.Context(), 11*time.Second), "up to 10 s")
	require.ErrorContains(t, transport.Lock(t.Context(), -1), "up to 10 s")
}

func TestNodeHeldByAnotherProgram(t *testing.T) {
	_, port := plug(t, softkey.Options{})
	other, err := os.OpenFile(port.Path(), os.O_RDWR|syscall.O_NOCTTY, 0)
	require.NoError(t, err)
	defer other.Close()
	require.NoError(t, syscall.Flock(int(other.Fd()), syscall.LOCK_EX))

	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = hid.Open(ctx, port.Path())
	require.ErrorIs(t, err, context.DeadlineExceeded)
	_, ok := errors.AsType[*hid.BusyError](err)
	require.True(t, ok, "%v", err)

	opened := make(chan error, 1)
	go func() {
		transport, err := hid.Open(soon(t), port.Path())
		if err == nil {
			err = transport.Close()
		}
		opened <- err
	}()
	time.Sleep(20 * time.Millisecond) // so that it waits
	require.NoError(t, syscall.Flock(int(other.Fd()), syscall.LOCK_UN))
	require.NoError(t, <-opened)
}

func TestManyOpenAtOnce(t *testing.T) {
	_, port := plug(t, softkey.Options{})
	ctx := soon(t)
	failed := make(chan error, 8)
	for range 8 {
		go func() {
			failed <- func() error {
				transport, err := hid.Open(ctx, port.Path())
				if err != nil {
					return err
				}
				_, err = transport.CBOR(ctx, getInfo)
				return errors.Join(err, transport.Close())
			}()
		}()
	}
	for range 8 {
		require.NoError(t, <-failed)
	}
}

// One Transport, many goroutines: each gets its own answer.
func TestConcurrentCalls(t *testing.T) {
	_, port := plug(t, softkey.Options{})
	transport := open(t, port.Path())
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for n := range 50 {
				sent := bytes.Repeat([]byte{byte(i)}, 1+n*7)
				ctx, cancel := context.WithCancel(t.Context())
				if n%5 == 4 {
					go cancel()
				}
				got, err := transport.Ping(ctx, sent)
				cancel()
				if err == nil && !bytes.Equal(sent, got) {
					t.Errorf("goroutine %d got another's answer", i)
				}
				if err != nil && !errors.Is(err, context.Canceled) {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

func TestUnplug(t *testing.T) {
	t.Run("during a touch", func(t *testing.T) {
		person := newFinger()
		key, port := plug(t, softkey.Options{Touch: person.Touch})
		transport := open(t, port.Path())
		done := make(chan error, 1)
		go func() {
			_, err := transport.CBOR(soon(t), selection)
			done <- err
		}()
		<-person.waiting
		require.NoError(t, port.Unplug())
		require.ErrorIs(t, <-done, hid.ErrRemoved)
		_, err := transport.CBOR(soon(t), getInfo)
		require.ErrorIs(t, err, hid.ErrRemoved)
		_, err = hid.Open(soon(t), port.Path())
		require.ErrorIs(t, err, hid.ErrRemoved)

		again, err := key.PlugPTY()
		require.NoError(t, err)
		defer again.Unplug()
		_, err = open(t, again.Path()).CBOR(soon(t), getInfo)
		require.NoError(t, err)
	})
	t.Run("by itself", func(t *testing.T) {
		_, port := plug(t, softkey.Options{})
		transport := open(t, port.Path())
		port.SetFault(softkey.UnplugForTouch)
		_, err := transport.CBOR(soon(t), selection)
		require.ErrorIs(t, err, hid.ErrRemoved)
		<-port.Done()
	})
	t.Run("while nothing runs", func(t *testing.T) {
		_, port := plug(t, softkey.Options{})
		transport := open(t, port.Path())
		require.NoError(t, port.Unplug())
		_, err := transport.CBOR(soon(t), getInfo)
		require.ErrorIs(t, err, hid.ErrRemoved)
	})
}

func TestClose(t *testing.T) {
	person := newFinger()
	_, port := plug(t, softkey.Options{Touch: person.Touch})
	transport, err := hid.Open(t.Context(), port.Path())
	require.NoError(t, err)
	done := make(chan error, 1)
	go func() {
		_, err := transport.CBOR(soon(t), selection)
		done <- err
	}()
	<-person.waiting
	require.NoError(t, transport.Close())
	require.ErrorContains(t, <-done, "closed")
	require.NoError(t, transport.Close(), "twice")
	_, err = transport.CBOR(t.Context(), getInfo)
	require.ErrorContains(t, err, "closed")

	_, err = open(t, port.Path()).CBOR(soon(t), getInfo)
	require.NoError(t, err, "the command was cancelled, so the key is free at once")
}

func TestNoGoroutineIsLeft(t *testing.T) {
	for range 3 {
		person := newFinger()
		key, err := softkey.New(softkey.Options{Touch: person.Touch})
		require.NoError(t, err)
		port, err := key.PlugPTY()
		require.NoError(t, err)
		transport, err := hid.Open(t.Context(), port.Path())
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		go func() { <-person.waiting; cancel() }()
		_, err = transport.CBOR(ctx, selection)
		require.ErrorIs(t, err, context.Canceled)
		require.NoError(t, transport.Close())
		require.NoError(t, port.Unplug())
	}
	var stacks string
	for range 100 { // other tests' cleanups may still be under way
		buf := make([]byte, 1<<20)
		stacks = string(buf[:runtime.Stack(buf, true)])
		if !strings.Contains(stacks, "hid.(*Transport)") && !strings.Contains(stacks, "softkey.(*Port)") {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("goroutines are left:\n%s", stacks)
}

func TestOpenWhatIsNoKey(t *testing.T) {
	_, err := hid.Open(t.Context(), filepath.Join(t.TempDir(), "none"))
	require.ErrorIs(t, err, hid.ErrRemoved)
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err = hid.Open(t.Context(), file)
	require.ErrorContains(t, err, "not a device")
	_, err = hid.Open(t.Context(), "/dev/null")
	require.Error(t, err)

	done, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = hid.Open(done, "/dev/null")
	require.ErrorIs(t, err, context.Canceled)
}

func TestPermission(t *testing.T) {
	_, port := plug(t, softkey.Options{})
	failed := make(chan error, 1)
	go func() {
		if os.Geteuid() == 0 {
			// For files, this thread is another user; it ends with the goroutine.
			runtime.LockOSThread()
			_, _, _ = syscall.RawSyscall(syscall.SYS_SETFSUID, 65534, 0, 0)
			_, _, _ = syscall.RawSyscall(syscall.SYS_SETFSGID, 65534, 0, 0)
		} else if err := os.Chmod(port.Path(), 0); err != nil {
			failed <- err
			return
		}
		_, err := hid.Open(t.Context(), port.Path())
		failed <- err
	}()
	err := <-failed
	require.ErrorIs(t, err, fs.ErrPermission)
	permission, ok := errors.AsType[*hid.PermissionError](err)
	require.True(t, ok)
	require.Equal(t, port.Path(), permission.Path)
	for _, hint := range []string{port.Path(), "70-u2f.rules", "uaccess", "GROUP"} {
		require.ErrorContains(t, err, hint)
	}
}
