package softkey_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/authenticator/softkey"
)

// frames cuts a message as CTAP 2.1 §11.2.4 does.
func frames(channel uint32, command byte, msg []byte) [][]byte {
	first := binary.BigEndian.AppendUint32(nil, channel)
	first = append(first, 0x80|command, byte(len(msg)>>8), byte(len(msg)))
	n := min(len(msg), 57)
	all := [][]byte{append(first, msg[:n]...)}
	for sequence := byte(0); n < len(msg); sequence++ {
		next := append(binary.BigEndian.AppendUint32(nil, channel), sequence)
		m := min(len(msg)-n, 59)
		all = append(all, append(next, msg[n:n+m]...))
		n += m
	}
	for i, f := range all {
		all[i] = append(f, make([]byte, 64-len(f))...)
	}
	return all
}

// A message arrives as it was sent, whatever others say meanwhile. What others say is
// refused or ignored, except the two things that are answered at any time.
func FuzzHostInterleaved(f *testing.F) {
	f.Add([]byte("message"), byte(0x10), []byte("\x00\x00\x00\x02\x90\x00\x01"), []byte{1, 2})
	f.Add(make([]byte, 7609), byte(0x01), []byte("\xFF\xFF\xFF\xFF\x86\x00\x08"), []byte{3})
	f.Add([]byte{}, byte(0x08), []byte("\x00\x00\x00\x02\x91"), []byte{})
	f.Fuzz(func(t *testing.T, msg []byte, command byte, foreign, schedule []byte) {
		command &= 0x7F
		if len(msg) > 7609 || command == 0x06 || command == 0x11 {
			return
		}
		h := softkey.NewHost(3, clock)
		all := frames(1, command, msg)
		for i, frame := range all {
			if i > 0 && len(schedule) > 0 {
				for range schedule[0] % 4 {
					other := make([]byte, 64)
					copy(other, foreign)
					if binary.BigEndian.Uint32(other) == 1 {
						other[0] ^= 0xFF
					}
					_, c, data, complete, _ := h.Take(other)
					if complete && c != 0x06 && c != 0x11 {
						t.Fatal("another channel's command was taken in the middle of a message")
					}
					if complete && len(data) > 8 {
						t.Fatalf("%d bytes from one report", len(data))
					}
				}
				schedule = schedule[1:]
			}
			channel, c, data, complete, refusal := h.Take(frame)
			if refusal != 0 {
				t.Fatalf("refused with 0x%02X", refusal)
			}
			if complete != (i == len(all)-1) {
				t.Fatalf("complete is %v at report %d of %d", complete, i, len(all))
			}
			if complete && (channel != 1 || c != command || !bytes.Equal(data, msg)) {
				t.Fatal("another message arrived than was sent")
			}
		}
	})
}

func FuzzHostGarbage(f *testing.F) {
	f.Add(bytes.Join(frames(1, 0x10, make([]byte, 200)), nil))
	f.Add([]byte("\x00\x00\x00\x01\x90\xFF\xFF"))
	f.Fuzz(func(t *testing.T, data []byte) {
		h := softkey.NewHost(2, clock)
		for len(data) >= 64 {
			_, _, msg, complete, refusal := h.Take(data[:64])
			data = data[64:]
			if len(msg) > 7609 {
				t.Fatalf("a message of %d bytes", len(msg))
			}
			if complete && refusal != 0 {
				t.Fatal("a message that was refused")
			}
		}
	})
}

// clock stands still.
func clock() time.Time { return time.Unix(1_800_000_000, 0) }

// A message that does not come in keeps other channels out for half a second.
func TestStalledMessage(t *testing.T) {
	now := clock()
	h := softkey.NewHost(2, func() time.Time { return now })
	_, _, _, complete, refusal := h.Take(frames(1, 0x10, make([]byte, 100))[0])
	require.False(t, complete)
	require.Zero(t, refusal)
	ping := frames(2, 0x01, []byte("x"))[0]
	now = now.Add(499 * time.Millisecond)
	_, _, _, complete, refusal = h.Take(ping)
	require.False(t, complete)
	require.Equal(t, byte(0x06), refusal, "busy")
	now = now.Add(time.Millisecond)
	channel, _, data, complete, refusal := h.Take(ping)
	require.True(t, complete)
	require.Zero(t, refusal)
	require.Equal(t, uint32(2), channel)
	require.Equal(t, "x", string(data))
	_, _, _, complete, refusal = h.Take(frames(1, 0x10, make([]byte, 100))[1])
	require.False(t, complete)
	require.Zero(t, refusal, "the rest of the stalled one continues nothing")
}

// A key at the other end of any stream.
func TestPlugStream(t *testing.T) {
	key, err := softkey.New(softkey.Options{Touch: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }})
	require.NoError(t, err)
	host, device := net.Pipe()
	port, err := key.Plug(device)
	require.NoError(t, err)
	require.Empty(t, port.Path())
	write := func(frame []byte) {
		t.Helper()
		_, err := host.Write(append([]byte{0}, frame...))
		require.NoError(t, err)
	}
	next := func() []byte {
		t.Helper()
		report := make([]byte, 64)
		_, err := io.ReadFull(host, report)
		require.NoError(t, err)
		return report
	}
	write(frames(0xFFFFFFFF, 0x06, []byte("12345678"))[0])
	require.Equal(t, byte(0x86), next()[4])

	// While it waits for a touch it says so, at least every 100 ms, and a cancel ends it.
	write(frames(1, 0x10, []byte{0x0B})[0])
	for {
		report := next()
		require.Equal(t, byte(0xBB), report[4])
		if report[7] == 2 { // "waiting for user presence"
			break
		}
	}
	write(frames(1, 0x11, nil)[0])
	report := next()
	for report[4] == 0xBB {
		report = next()
	}
	require.Equal(t, []byte{0x90, 0, 1, 0x2D}, report[4:8])

	require.NoError(t, port.Unplug())
	<-port.Done()
	_, err = host.Read(make([]byte, 1))
	require.Error(t, err)
}
