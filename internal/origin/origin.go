package origin

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// maxHost is the longest a host name can be, RFC 1035 §2.3.4 (253 as text).
// https://www.rfc-editor.org/rfc/rfc1035#section-2.3.4
const maxHost = 253

// Parse returns the origin of raw, which may lack the scheme (https is meant
// then) and may have a path and a query, as an address copied from a browser has:
// both are dropped.
func Parse(raw string) (string, error) {
	if raw == "" {
		return "", errors.New("origin: empty address")
	}
	if len(raw) > 2048 {
		return "", errors.New("origin: address longer than 2048 bytes")
	}
	if !strings.Contains(raw, "://") {
		raw = "https://" + raw
	}
	u, err := url.Parse(raw)
	if err != nil {
		// The error of url.Parse repeats its input, which may hold a password.
		return "", errors.New("origin: not a URL")
	}
	return Of(u)
}

// Of returns the origin of u, which must be absolute.
func Of(u *url.URL) (string, error) {
	if u.User != nil {
		return "", errors.New("origin: an address may not carry a user name or password")
	}
	if u.Opaque != "" {
		return "", errors.New("origin: not an address of a server")
	}
	host, err := normalHost(u.Hostname())
	if err != nil {
		return "", err
	}
	port, err := normalPort(u.Scheme, u.Port())
	if err != nil {
		return "", err
	}
	// url.URL.Hostname and Port are lenient; what they do not account for is
	// refused, so that nobody else can read the same text differently.
	if strings.HasSuffix(u.Host, ":") {
		return "", errors.New("origin: the port is missing after the colon")
	}
	switch u.Scheme {
	case "https":
	case "http":
		if !Loopback(host) {
			return "", fmt.Errorf("origin: http is for loopback only; use https://%s", host)
		}
	default:
		return "", errors.New("origin: the scheme must be https (http for loopback only)")
	}
	switch {
	case port != "":
		return u.Scheme + "://" + net.JoinHostPort(host, port), nil
	case strings.Contains(host, ":"):
		return u.Scheme + "://[" + host + "]", nil
	default:
		return u.Scheme + "://" + host, nil
	}
}

// Loopback reports whether host, a name or an address without a port, can only
// be this machine: localhost, 127.0.0.0/8 or ::1. Other names are not looked up:
// what they resolve to is in the hands of whoever answers.
func Loopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback()
}

func normalHost(host string) (string, error) {
	if host == "" {
		return "", errors.New("origin: no host in the address")
	}
	if addr, err := netip.ParseAddr(host); err == nil {
		if addr.Zone() != "" {
			return "", errors.New("origin: an address with a zone is not one server")
		}
		return addr.Unmap().String(), nil
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if host == "" || len(host) > maxHost {
		return "", errors.New("origin: not a host name")
	}
	digits := true // of the last label: such a name is an address in disguise
	for _, label := range strings.Split(host, ".") {
		if label == "" || len(label) > 63 {
			return "", errors.New("origin: not a host name")
		}
		digits = true
		for _, c := range []byte(label) {
			switch {
			case '0' <= c && c <= '9':
			case 'a' <= c && c <= 'z', c == '-', c == '_':
				digits = false
			default:
				return "", errors.New("origin: a host name is made of ASCII letters, digits, - and _; write other scripts in their xn-- form")
			}
		}
		// 0x7f000001 and 0x7f.1 are IPv4 addresses to some resolvers.
		if strings.HasPrefix(label, "0x") {
			digits = true
		}
	}
	if digits {
		return "", errors.New("origin: not a host name, and not an address in its usual form")
	}
	return host, nil
}

func normalPort(scheme, port string) (string, error) {
	if port == "" {
		return "", nil
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		return "", errors.New("origin: not a port number")
	}
	if scheme == "https" && n == 443 || scheme == "http" && n == 80 {
		return "", nil
	}
	return strconv.FormatUint(n, 10), nil
}
