package hid_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/authenticator/hid"
)

func TestCapacity(t *testing.T) {
	require.Equal(t, 7609, hid.Capacity(64), "CTAP 2.1 §11.2.4")
	require.Equal(t, 7609, hid.Capacity(1024))
	require.Equal(t, 32-7+128*(32-5), hid.Capacity(32))
	for _, size := range []int{8, 32, 64, 128, 1024} {
		reports := hid.Fragments(size, 1, 0x10, make([]byte, hid.Capacity(size)))
		require.LessOrEqual(t, len(reports), 129)
		last := reports[len(reports)-1]
		require.Zero(t, last[4]&0x80, "a sequence number is below 128")
	}
}

// The frames of a short and of a long message, byte by byte.
func TestFrames(t *testing.T) {
	short := hid.Fragments(64, 0xAABBCCDD, 0x10, []byte{4})
	require.Len(t, short, 1)
	require.Equal(t, "aabbccdd90000104", hex.EncodeToString(short[0][:8]))
	require.Zero(t, bytes.Trim(short[0][8:], "\x00"))
	long := hid.Fragments(64, 1, 0x01, bytes.Repeat([]byte{0xEE}, 57+59+1))
	require.Len(t, long, 3)
	require.Equal(t, "00000001810075ee", hex.EncodeToString(long[0][:8]))
	require.Equal(t, "0000000100ee", hex.EncodeToString(long[1][:6]))
	require.Equal(t, "0000000101ee00", hex.EncodeToString(long[2][:7]))
}

func FuzzAssemblerGarbage(f *testing.F) {
	f.Add([]byte{0, 0, 0, 1, 0x90, 0xFF, 0xFF, 1}, 64)
	f.Add(bytes.Join(hid.Fragments(64, 1, 0x10, make([]byte, 200)), nil), 64)
	f.Add(bytes.Join(hid.Fragments(16, 1, 0x3F, make([]byte, 3)), nil), 16)
	f.Fuzz(func(t *testing.T, data []byte, size int) {
		if size < 1 || size > hid.MaxReport {
			return
		}
		a := hid.NewAssembler(1)
		for len(data) > 0 {
			report := data[:min(size, len(data))]
			data = data[len(report):]
			_, got, complete, err := a.Add(report)
			if len(got) > hid.MaxMessage {
				t.Fatalf("a message of %d bytes", len(got))
			}
			if (err != nil || !complete) && got != nil {
				t.Fatal("part of a message was returned")
			}
			if complete && binary.BigEndian.Uint32(report) != 1 {
				t.Fatal("completed by another channel's report")
			}
		}
	})
}

// A message arrives as it was sent, whatever other channels say meanwhile and whatever
// was said before it.
func FuzzAssemblerInterleaved(f *testing.F) {
	f.Add([]byte("message"), uint32(1), byte(0x10), []byte("foreign"), uint16(64), []byte{1, 2, 3})
	f.Add(make([]byte, 7609), uint32(0xFFFFFFFF), byte(0x06), []byte{0, 0, 0, 2, 0x90, 0, 9}, uint16(64), []byte{0})
	f.Add([]byte{}, uint32(7), byte(0x3B), []byte{}, uint16(8), []byte{})
	f.Fuzz(func(t *testing.T, msg []byte, channel uint32, command byte, foreign []byte, size uint16, schedule []byte) {
		if size < 8 || int(size) > hid.MaxReport || len(msg) > hid.Capacity(int(size)) {
			return
		}
		command &= 0x7F
		a := hid.NewAssembler(channel)
		// What came before: the start of a message that was never finished.
		if len(foreign) > int(size) {
			before := hid.Fragments(int(size), channel, command, foreign[:min(len(foreign), hid.Capacity(int(size)))])
			_, _, complete, err := a.Add(before[0])
			if complete || err != nil {
				return
			}
		}
		reports := hid.Fragments(int(size), channel, command, msg)
		for i, report := range reports {
			if len(schedule) > 0 {
				for range schedule[0] % 4 {
					other := make([]byte, size)
					copy(other[4:], foreign)
					binary.BigEndian.PutUint32(other, channel^(1+uint32(schedule[0])))
					_, _, complete, err := a.Add(other)
					if complete || err != nil {
						t.Fatalf("another channel's report was taken: %v", err)
					}
				}
				schedule = schedule[1:]
			}
			gotCommand, got, complete, err := a.Add(report)
			if err != nil {
				t.Fatal(err)
			}
			if complete != (i == len(reports)-1) {
				t.Fatalf("complete is %v at report %d of %d", complete, i, len(reports))
			}
			if complete && (gotCommand != command || !bytes.Equal(got, msg)) {
				t.Fatal("another message arrived than was sent")
			}
		}
	})
}

// fidoDescriptor is that of CTAP 2.1 §11.2.8.2.
var fidoDescriptor = unhex("06d0f10901a1010920150026ff007508954081020921150026ff00750895409102c0")

func unhex(s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		panic(err)
	}
	return b
}

func TestReportDescriptor(t *testing.T) {
	mouse := unhex("05010902a1010901a100050919012903150025019503750181029501750581030501093009311581257f750895028106c0c0")
	for name, c := range map[string]struct {
		descriptor []byte
		fido       bool
		in, out    int
	}{
		"of the specification":          {fidoDescriptor, true, 64, 64},
		"other sizes":                   {bytes.Replace(fidoDescriptor, unhex("95408102"), unhex("96ff018102"), 1), true, 511, 64},
		"a mouse":                       {mouse, false, 0, 0},
		"a mouse and a key":             {append(bytes.Clone(mouse), fidoDescriptor...), true, 64, 64},
		"a key and a mouse":             {append(bytes.Clone(fidoDescriptor), mouse...), true, 64, 64},
		"the page, but not the usage":   {bytes.Replace(fidoDescriptor, unhex("0901a1"), unhex("0902a1"), 1), false, 0, 0},
		"reports too short for a frame": {bytes.ReplaceAll(fidoDescriptor, []byte{0x95, 0x40}, []byte{0x95, 0x07}), true, 0, 0},
		"reports longer than USB's":     {bytes.ReplaceAll(fidoDescriptor, unhex("9540"), unhex("97ffffffff")), true, 0, 0},
		"a long item before":            {append(unhex("fe02100102"), fidoDescriptor...), true, 64, 64},
		"cut off":                       {fidoDescriptor[:10], true, 0, 0},
		"nothing":                       {nil, false, 0, 0},
	} {
		fido, in, out := hid.Descriptor(c.descriptor)
		require.Equal(t, c.fido, fido, name)
		require.Equal(t, []int{c.in, c.out}, []int{in, out}, name)
	}
}

func FuzzReportDescriptor(f *testing.F) {
	f.Add(fidoDescriptor)
	f.Add(unhex("fe"))
	f.Fuzz(func(t *testing.T, data []byte) {
		fido, in, out := hid.Descriptor(data)
		for _, size := range []int{in, out} {
			if size != 0 && (size <= 7 || size > hid.MaxReport) {
				t.Fatalf("a report of %d bytes", size)
			}
		}
		if !fido && (in != 0 || out != 0) {
			t.Fatal("reports of what is no key")
		}
	})
}
