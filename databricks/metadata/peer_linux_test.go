package metadata_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/databricks/metadata"
)

const nobody = 65534

// dialAs opens a connection whose client end belongs to another user, which only
// root can: elsewhere the server is told that it is another user's.
func dialAs(t *testing.T, s *service, uid int) net.Conn {
	t.Helper()
	if os.Geteuid() != 0 {
		s.ServeUser(os.Geteuid() + 1)
		c, err := net.Dial("tcp4", s.address)
		require.NoError(t, err)
		return c
	}
	// The owner of a socket is the file system user of the thread that makes it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	require.NoError(t, syscall.Setfsuid(uid))
	defer func() { require.NoError(t, syscall.Setfsuid(0)) }()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	at := netip.MustParseAddrPort(s.address)
	require.NoError(t, syscall.Connect(fd, &syscall.SockaddrInet4{Addr: at.Addr().As4(), Port: int(at.Port())}))
	f := os.NewFile(uintptr(fd), "")
	defer f.Close()
	c, err := net.FileConn(f)
	require.NoError(t, err)
	return c
}

// over sends a request that is right in everything else.
func over(t *testing.T, c net.Conn, url string) (int, map[string]any) {
	t.Helper()
	r, err := http.NewRequest(http.MethodGet, url, nil)
	require.NoError(t, err)
	r.Header.Set("X-Databricks-Metadata-Version", "1")
	r.Header.Set("X-Databricks-Host", workspace)
	require.NoError(t, r.Write(c))
	resp, err := http.ReadResponse(bufio.NewReader(c), r)
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	var m map[string]any
	require.NoError(t, json.Unmarshal(body, &m))
	return resp.StatusCode, m
}

// Another user's process that has learned the URL gets nothing, and what it is
// told does not depend on whether the path was right.
func TestAnotherUsersProcess(t *testing.T) {
	s := newService(t, metadata.Options{})
	c := dialAs(t, s, nobody)
	defer c.Close()
	status, refused := over(t, c, s.url)
	require.Equal(t, http.StatusForbidden, status)
	require.NotContains(t, refused, "access_token")
	wrong := s.url[:len(s.url)-4] + "AAAA"
	status, guessed := over(t, c, wrong)
	require.Equal(t, http.StatusForbidden, status)
	require.Equal(t, refused, guessed)
	require.Zero(t, s.source.calls)
	require.Contains(t, s.log.String(), "refused")
	require.NotContains(t, s.log.String(), strings.TrimPrefix(s.url, "http://"+s.address+"/"))
}

func TestAnyUser(t *testing.T) {
	s := newService(t, metadata.Options{InsecureAnyUser: true})
	c := dialAs(t, s, nobody)
	defer c.Close()
	status, body := over(t, c, s.url)
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, "secret-token", body["access_token"])
}

// A client whose socket is for both IP versions is in another table.
func TestClientOfBothVersions(t *testing.T) {
	fd, err := syscall.Socket(syscall.AF_INET6, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if errors.Is(err, syscall.EAFNOSUPPORT) {
		return // without IPv6 there is no such client
	}
	require.NoError(t, err)
	s := newService(t, metadata.Options{})
	at := netip.MustParseAddrPort(s.address)
	require.NoError(t, syscall.Connect(fd, &syscall.SockaddrInet6{Addr: netip.AddrFrom16(at.Addr().As16()).As16(), Port: int(at.Port())}))
	f := os.NewFile(uintptr(fd), "")
	defer f.Close()
	c, err := net.FileConn(f)
	require.NoError(t, err)
	defer c.Close()
	status, _ := over(t, c, s.url)
	require.Equal(t, http.StatusOK, status)
}

// Not to know is no reason to trust.
func TestPeerIsNotKnown(t *testing.T) {
	s := newService(t, metadata.Options{})
	s.PeerFails(errors.New("no /proc"))
	status, body, _ := s.get(t, func(*http.Request) {})
	require.Equal(t, http.StatusForbidden, status)
	require.NotContains(t, body, "access_token")
	require.Contains(t, s.log.String(), "no /proc")
}

// The tables and the kernel itself say the same of a connection, of one whose
// other end is another user's, and of one that is gone.
func TestBothWaysAgree(t *testing.T) {
	s := newService(t, metadata.Options{InsecureAnyUser: true})
	server := netip.MustParseAddrPort(s.address)
	c := dialAs(t, s, nobody)
	defer c.Close()
	mine, err := net.Dial("tcp4", s.address)
	require.NoError(t, err)
	defer mine.Close()
	for _, c := range []net.Conn{c, mine} {
		client := netip.MustParseAddrPort(c.LocalAddr().String())
		want, err := metadata.SearchTables(client, server)
		require.NoError(t, err)
		got, err := metadata.AskKernel(client, server)
		if err != nil && strings.Contains(err.Error(), "asking the kernel") {
			continue // a sandbox without this question; the tables serve there
		}
		require.NoError(t, err)
		require.Equal(t, want, got)
		if c == mine {
			require.Equal(t, os.Geteuid(), got)
		}
	}
	gone := netip.AddrPortFrom(server.Addr(), server.Port()^1)
	for _, ask := range []func(_, _ netip.AddrPort) (int, error){metadata.AskKernel, metadata.SearchTables} {
		uid, err := ask(gone, server)
		require.Error(t, err)
		require.Equal(t, -1, uid)
		uid, err = ask(server, netip.AddrPortFrom(server.Addr(), 1)) // of the listener itself
		require.Error(t, err)
		require.Equal(t, -1, uid)
	}
}

// An owner comes only of an answer about this connection.
func FuzzParseDiag(f *testing.F) {
	id := metadata.DiagID(netip.MustParseAddrPort("127.0.0.1:258"), netip.MustParseAddrPort("127.0.0.1:4660"))
	good := make([]byte, 16+72)
	good[4] = 20
	good[16], good[17] = syscall.AF_INET, 1
	copy(good[20:], id)
	good[80] = 7
	f.Add(good)
	f.Add(good[:87])
	f.Add(make([]byte, 200))
	uid, err := metadata.ParseDiag(good, id)
	require.NoError(f, err)
	require.Equal(f, 7, uid)
	f.Fuzz(func(t *testing.T, m []byte) {
		uid, err := metadata.ParseDiag(m, id)
		require.Equal(t, err != nil, uid < 0)
		if err == nil {
			require.Equal(t, id[:4], m[20:24], "the ports")
			require.EqualValues(t, 1, m[17])
		}
	})
}

const head = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"

// row is a row of the table as a little-endian machine writes it.
func row(local, remote, state string, uid int) string {
	return fmt.Sprintf("   0: %s %s %s 00000000:00000000 00:00000000 00000000  %d        0 123 1 0\n", local, remote, state, uid)
}

// Whatever the table holds, a user comes only from an established connection's
// row with both addresses.
func FuzzFindUser(f *testing.F) {
	client, server := netip.MustParseAddrPort("127.0.0.1:258"), netip.MustParseAddrPort("127.0.0.1:4660")
	f.Add(head + row("0100007F:0102", "0100007F:1234", "01", 7))
	f.Add(head + row("0100007F:0102", "0100007F:1234", "06", 7))
	f.Add(head + row("0100007F:1234", "0100007F:0102", "01", 7))
	f.Add(head + row("0000000000000000FFFF00000100007F:0102", "0000000000000000FFFF00000100007F:1234", "01", 7))
	f.Add("\n0: 0100007F:0102 0100007F:1234 01 x x x -1\n")
	f.Fuzz(func(t *testing.T, table string) {
		uid, err := metadata.FindUser(strings.NewReader(table), client, server)
		require.Equal(t, err != nil, uid < 0)
		if err == nil {
			require.Contains(t, table, "01")
			require.Contains(t, table, fmt.Sprint(uid))
		}
	})
}

func TestFindUser(t *testing.T) {
	client, server := netip.MustParseAddrPort("127.0.0.1:258"), netip.MustParseAddrPort("127.0.0.1:4660")
	find := func(rows ...string) int {
		uid, _ := metadata.FindUser(strings.NewReader(head+strings.Join(rows, "")), client, server)
		return uid
	}
	mine := row("0100007F:0102", "0100007F:1234", "01", 1000)
	require.Equal(t, 1000, find(row("0100007F:1234", "0100007F:0102", "01", 5), mine), "the other end is the server's own")
	require.Equal(t, -1, find(row("0100007F:0102", "0100007F:1234", "06", 0)), "a closed connection has no owner")
	require.Equal(t, -1, find(row("0200007F:0102", "0100007F:1234", "01", 1000)))
	require.Equal(t, -1, find())
	require.Equal(t, 1000, find(row("0000000000000000FFFF00000100007F:0102", "0000000000000000FFFF00000100007F:1234", "01", 1000)))
}
