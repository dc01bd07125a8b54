package metadata

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strconv"
	"strings"
)

// peerLimit bounds the table of connections: 150 bytes for each of 400,000.
const peerLimit = 64 << 20

// peerUser finds the owner of the client's end of the connection from client to
// server: by a question to the kernel, and where that may not be put, in its
// tables.
func peerUser(client, server netip.AddrPort) (int, error) {
	if uid, err := askKernel(client, server); err == nil {
		return uid, nil
	}
	return searchTables(client, server)
}

// searchTables looks through all connections. A socket for both IP versions, as
// Java's are, is in the second table.
// https://docs.kernel.org/networking/proc_net_tcp.html
func searchTables(client, server netip.AddrPort) (int, error) {
	for _, table := range [...]string{"/proc/net/tcp", "/proc/net/tcp6"} {
		f, err := os.Open(table)
		if errors.Is(err, os.ErrNotExist) && table == "/proc/net/tcp6" {
			continue // a kernel without IPv6
		}
		if err != nil {
			return -1, fmt.Errorf("metadata: %v", err)
		}
		uid, err := findUser(io.LimitReader(f, peerLimit), client, server)
		_ = f.Close()
		if !errors.Is(err, errNoPeer) {
			return uid, err
		}
	}
	return -1, errNoPeer
}

const established = "01"

// findUser reads one table: sl, local_address, rem_address, st, two that are not
// of interest here, retrnsmt, uid and more. Only an established connection has an
// owner: one that its process has closed says 0.
func findUser(table io.Reader, client, server netip.AddrPort) (int, error) {
	lines := bufio.NewScanner(table)
	for lines.Scan() {
		f := strings.Fields(lines.Text())
		if len(f) < 8 || f[3] != established || !isAddr(f[1], client) || !isAddr(f[2], server) {
			continue
		}
		uid, err := strconv.ParseUint(f[7], 10, 32)
		if err != nil {
			return -1, errNoPeer
		}
		return int(uid), nil
	}
	if err := lines.Err(); err != nil {
		return -1, fmt.Errorf("metadata: reading the table of connections: %v", err)
	}
	return -1, errNoPeer
}

// isAddr compares an address in the kernel's notation: words of four bytes in the
// machine's order, then the port.
func isAddr(text string, want netip.AddrPort) bool {
	address, port, ok := strings.Cut(text, ":")
	if !ok {
		return false
	}
	if n, err := strconv.ParseUint(port, 16, 16); err != nil || uint16(n) != want.Port() {
		return false
	}
	raw, err := hex.DecodeString(address)
	if err != nil || len(raw) != 4 && len(raw) != 16 {
		return false
	}
	for i := 0; i < len(raw); i += 4 {
		binary.NativeEndian.PutUint32(raw[i:], binary.BigEndian.Uint32(raw[i:]))
	}
	got, _ := netip.AddrFromSlice(raw)
	return got.Unmap() == want.Addr().Unmap()
}
