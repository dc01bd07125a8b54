//go:build linux

package hid_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/lakekey/lakekey/authenticator"
	"github.com/lakekey/lakekey/authenticator/hid"
)

// oldKey plugs in a key of before CTAP2: it answers INIT, and MSG with what respond
// returns. Anything else ends the test's key.
func oldKey(t *testing.T, respond func(apdu []byte) []byte) (path string) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
	require.NoError(t, err)
	t.Cleanup(func() { master.Close() })
	number, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	require.NoError(t, err)
	require.NoError(t, unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0))
	require.NoError(t, unix.SetNonblock(int(master.Fd()), true)) // which Fd undid
	path = fmt.Sprintf("/dev/pts/%d", number)
	slave, err := os.OpenFile(path, os.O_RDWR|unix.O_NOCTTY, 0)
	require.NoError(t, err)
	t.Cleanup(func() { slave.Close() })
	raw, err := unix.IoctlGetTermios(int(slave.Fd()), unix.TCGETS)
	require.NoError(t, err)
	raw.Iflag, raw.Oflag, raw.Lflag = 0, 0, 0
	raw.Cc[unix.VMIN], raw.Cc[unix.VTIME] = 64, 0
	require.NoError(t, unix.IoctlSetTermios(int(slave.Fd()), unix.TCSETS, raw))

	go func() {
		defer master.Close()
		const everybody, own = 0xFFFFFFFF, 7
		assemblers := map[uint32]*hid.Assembler{everybody: hid.NewAssembler(everybody), own: hid.NewAssembler(own)}
		report := make([]byte, 65)
		for {
			if _, err := io.ReadFull(master, report); err != nil {
				return
			}
			channel := binary.BigEndian.Uint32(report[1:])
			if assemblers[channel] == nil {
				return
			}
			command, msg, complete, err := assemblers[channel].Add(report[1:])
			switch {
			case err != nil:
				return
			case !complete:
				continue
			case command == 0x06:
				msg = append(bytes.Clone(msg), 0, 0, 0, own, 2, 4, 3, 2, 0x01)
			case command == 0x03:
				msg = respond(msg)
			default:
				return
			}
			for _, r := range hid.Fragments(64, channel, command, msg) {
				if _, err := master.Write(r); err != nil {
					return
				}
			}
		}
	}()
	return path
}

func TestU2FOnly(t *testing.T) {
	asked := make(chan []byte, 16)
	path := oldKey(t, func(apdu []byte) []byte {
		asked <- bytes.Clone(apdu)
		return append([]byte("U2F_V2"), 0x90, 0x00)
	})
	transport, err := hid.Open(soon(t), path)
	require.NoError(t, err)
	require.Equal(t, hid.Properties{Protocol: 2, Version: [3]byte{4, 3, 2}, Wink: true, U2F: true}, transport.Properties())
	answer, err := transport.CBOR(soon(t), getInfo)
	require.NoError(t, err)
	require.Equal(t, []byte{0x01}, answer, "the key is not asked what it would not understand")
	version := []byte{0, 3, 0, 0, 0, 0, 0}
	answer, err = transport.MSG(soon(t), version)
	require.NoError(t, err)
	require.Equal(t, "U2F_V2\x90\x00", string(answer))
	require.Equal(t, version, <-asked)
	require.NoError(t, transport.Close())

	source := hid.NewSource(hid.Options{Paths: []string{path}})
	defer source.Close()
	devices, err := source.Devices(t.Context())
	require.NoError(t, err)
	info, err := devices[0].Info(soon(t))
	require.NoError(t, err)
	require.Equal(t, []string{"U2F_V2"}, info.Versions)
	_, err = devices[0].GetAssertion(soon(t), &authenticator.GetAssertionRequest{ClientDataHash: make([]byte, 32), RPID: "example.org"})
	require.ErrorIs(t, err, authenticator.ErrNoCredentials, "it has none that it could find by itself")
}
