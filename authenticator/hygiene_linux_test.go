package authenticator_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/authenticator"
	"github.com/lakekey/lakekey/authenticator/softkey"
)

// hidden is a text that this process holds in no readable form.
type hidden struct{ masked, mask []byte }

func newHidden(n int) hidden {
	h := hidden{make([]byte, n), make([]byte, n)}
	rand.Read(h.masked)
	rand.Read(h.mask)
	for i := range h.masked {
		h.masked[i] = 'a' + h.masked[i]%26 ^ h.mask[i]
	}
	return h
}

//go:noinline
func (h hidden) reveal() []byte {
	b := make([]byte, len(h.mask))
	for i := range b {
		b[i] = h.masked[i] ^ h.mask[i]
	}
	return b
}

// copies counts where the text stands in the memory of this process.
func (h hidden) copies(t *testing.T) (n int) {
	t.Helper()
	maps, err := os.Open("/proc/self/maps")
	if err != nil {
		t.Skipf("this system does not let a process read its own memory: %v", err)
	}
	defer maps.Close()
	mem, err := os.Open("/proc/self/mem")
	require.NoError(t, err)
	defer mem.Close()
	type region struct{ from, to int64 }
	var regions []region
	scanner := bufio.NewScanner(maps)
	for scanner.Scan() {
		var from, to uint64
		var mode string
		_, err := fmt.Sscanf(scanner.Text(), "%x-%x %s", &from, &to, &mode)
		require.NoError(t, err)
		// The race detector reserves terabytes; no Go heap comes in such pieces.
		if strings.HasPrefix(mode, "rw") && to-from < 1<<30 {
			regions = append(regions, region{int64(from), int64(to)})
		}
	}
	buffer := make([]byte, 1<<20)
	for _, r := range regions {
		for at := r.from; at < r.to; at += int64(len(buffer) - len(h.mask)) {
			k, err := mem.ReadAt(buffer[:min(int64(len(buffer)), r.to-at)], at)
			if err != nil && err != io.EOF && k == 0 {
				break // reserved and not backed
			}
			n += h.in(buffer[:k])
			clear(buffer)
		}
	}
	return n
}

func (h hidden) in(b []byte) (n int) {
	first := h.masked[0] ^ h.mask[0]
	for {
		i := bytes.IndexByte(b, first)
		if i < 0 || len(b)-i < len(h.mask) {
			return n
		}
		b = b[i:]
		j := 1
		for j < len(h.mask) && b[j]^h.mask[j] == h.masked[j] {
			j++
		}
		if j == len(h.mask) {
			n++
		}
		b = b[1:]
	}
}

// typist types hidden PINs.
type typist struct {
	person
	pins []hidden
}

func (p *typist) PIN(context.Context, authenticator.PINPrompt) ([]byte, error) {
	h := p.pins[0]
	if len(p.pins) > 1 {
		p.pins = p.pins[1:]
	}
	return h.reveal(), nil
}

// After a ceremony, however it ended, and after each use of a PIN in key management, no
// copy of the PIN is left anywhere in the process: no heap, no stack.
func TestNoPINStaysInMemory(t *testing.T) {
	right, wrong, next := newHidden(24), newHidden(24), newHidden(24)
	leftover := right.reveal()
	require.NotZero(t, right.copies(t), "the search finds nothing")
	clear(leftover)

	pin := right.reveal()
	touch := func(context.Context) error { return nil }
	key := newKey(t, softkey.Options{PIN: pin, Touch: func(ctx context.Context) error { return touch(ctx) }})
	clear(pin)
	require.Zero(t, right.copies(t), "setting up")
	check := func(what string) {
		t.Helper()
		for _, h := range []hidden{right, wrong, next} {
			require.Zero(t, h.copies(t), "%s left a PIN behind", what)
		}
	}
	ui := &typist{pins: []hidden{right}}
	for _, protocol := range []int{1, 2} {
		client := clientOf(ui, speaking(key, []int{protocol}, true))
		_, err := client.Create(t.Context(), example.origin, example.creation())
		require.NoError(t, err)
		check("Create")
		_, err = client.Get(t.Context(), example.origin, example.request())
		require.NoError(t, err)
		check("Get")
		_, err = clientOf(ui, speaking(key, []int{protocol}, false)).Get(t.Context(), example.origin, example.request())
		require.NoError(t, err)
		check("Get on an older key")

		ui.pins = []hidden{wrong, right}
		_, err = client.Get(t.Context(), example.origin, example.request())
		require.NoError(t, err)
		check("a wrong PIN and the right one")
		ui.pins = []hidden{wrong}
		_, err = client.Get(t.Context(), example.origin, example.request())
		require.Error(t, err)
		check("a wrong PIN")
		ui.pins = []hidden{right}

		ctx, cancel := context.WithCancel(t.Context())
		touch = func(ctx context.Context) error { cancel(); <-ctx.Done(); return ctx.Err() }
		_, err = client.Get(ctx, example.origin, example.request())
		require.ErrorIs(t, err, context.Canceled)
		check("a cancelled ceremony")
		touch = func(context.Context) error { return nil }

		broken := tamper{speaking(key, []int{protocol}, true), func(command byte, response []byte) []byte {
			if command == 2 {
				return []byte{0, 0xFF}
			}
			return response
		}}
		_, err = clientOf(ui, broken).Get(t.Context(), example.origin, example.request())
		require.Error(t, err)
		check("a ceremony with a hostile key")

		device := authenticator.NewCTAP2(speaking(key, []int{protocol}, true), authenticator.Descriptor{}).(authenticator.PINManager)
		old, fresh := right.reveal(), next.reveal()
		require.NoError(t, device.ChangePIN(t.Context(), old, fresh))
		require.Error(t, device.ChangePIN(t.Context(), old, fresh))
		require.NoError(t, device.ChangePIN(t.Context(), fresh, old))
		_, err = device.(authenticator.CredentialManager).Credentials(t.Context(), old)
		require.NoError(t, err)
		clear(old)
		clear(fresh)
		check("key management")
	}
}
