package metadata

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"syscall"
)

// Of linux/inet_diag.h and linux/sock_diag.h.
const (
	netlinkSockDiag  = 4
	sockDiagByFamily = 20
	diagRequestSize  = 16 + 56 // header, inet_diag_req_v2
	diagAnswerSize   = 72      // inet_diag_msg
	diagIDSize       = 48      // inet_diag_sockid
	tcpEstablished   = 1
)

// askKernel finds the owner as findUser does, with one question about this one
// connection: the tables are long where many connections were closed of late.
// https://man7.org/linux/man-pages/man7/sock_diag.7.html
func askKernel(client, server netip.AddrPort) (int, error) {
	if !client.Addr().Unmap().Is4() || !server.Addr().Unmap().Is4() {
		return -1, errNoPeer
	}
	fd, err := syscall.Socket(syscall.AF_NETLINK, syscall.SOCK_DGRAM|syscall.SOCK_CLOEXEC, netlinkSockDiag)
	if err != nil {
		return -1, fmt.Errorf("metadata: asking the kernel: %v", err)
	}
	defer func() { _ = syscall.Close(fd) }()
	if err := syscall.SetsockoptTimeval(fd, syscall.SOL_SOCKET, syscall.SO_RCVTIMEO, &syscall.Timeval{Sec: 1}); err != nil {
		return -1, fmt.Errorf("metadata: asking the kernel: %v", err)
	}
	request := diagRequest(client, server)
	if err := syscall.Sendto(fd, request, 0, &syscall.SockaddrNetlink{Family: syscall.AF_NETLINK}); err != nil {
		return -1, fmt.Errorf("metadata: asking the kernel: %v", err)
	}
	answer := make([]byte, 4096)
	n, from, err := syscall.Recvfrom(fd, answer, 0)
	if err != nil {
		return -1, fmt.Errorf("metadata: asking the kernel: %v", err)
	}
	if sender, ok := from.(*syscall.SockaddrNetlink); !ok || sender.Pid != 0 {
		return -1, errNoPeer // another process's, not the kernel's
	}
	return parseDiag(answer[:n], diagID(client, server))
}

// diagID is the client's end: its own address first.
func diagID(client, server netip.AddrPort) []byte {
	id := make([]byte, diagIDSize)
	binary.BigEndian.PutUint16(id, client.Port())
	binary.BigEndian.PutUint16(id[2:], server.Port())
	copy(id[4:], client.Addr().Unmap().AsSlice())
	copy(id[20:], server.Addr().Unmap().AsSlice())
	for i := 40; i < diagIDSize; i++ {
		id[i] = 0xff // INET_DIAG_NOCOOKIE
	}
	return id
}

func diagRequest(client, server netip.AddrPort) []byte {
	m := make([]byte, diagRequestSize)
	binary.NativeEndian.PutUint32(m, diagRequestSize)
	binary.NativeEndian.PutUint16(m[4:], sockDiagByFamily)
	binary.NativeEndian.PutUint16(m[6:], syscall.NLM_F_REQUEST)
	m[16], m[17] = syscall.AF_INET, syscall.IPPROTO_TCP
	binary.NativeEndian.PutUint32(m[20:], 1<<tcpEstablished)
	copy(m[24:], diagID(client, server))
	return m
}

// parseDiag reads the owner out of an answer that is about that connection, and
// about an established one.
func parseDiag(m, id []byte) (int, error) {
	const header = 16
	if len(m) < header+diagAnswerSize || binary.NativeEndian.Uint16(m[4:]) != sockDiagByFamily {
		return -1, errNoPeer // NLMSG_ERROR: there is none
	}
	a := m[header : header+diagAnswerSize]
	got := a[4 : 4+diagIDSize]
	// A socket for both IP versions names its addresses as ::ffff:a.b.c.d.
	ours := sameAddr(got[4:20], id[4:8], a[0]) && sameAddr(got[20:36], id[20:24], a[0]) && string(got[:4]) == string(id[:4])
	if !ours || a[1] != tcpEstablished {
		return -1, errNoPeer
	}
	return int(binary.NativeEndian.Uint32(a[64:])), nil
}

func sameAddr(got, want []byte, family byte) bool {
	if family == syscall.AF_INET {
		return string(got[:4]) == string(want)
	}
	address, _ := netip.AddrFromSlice(got)
	v4, _ := netip.AddrFromSlice(want)
	return address.Unmap() == v4
}
