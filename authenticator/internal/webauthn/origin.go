package webauthn

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"golang.org/x/net/idna"
	"golang.org/x/net/publicsuffix"
)

// ErrOrigin: the origin may not use the RP ID, or may not use a key at all.
var ErrOrigin = errors.New("authenticator: not allowed for this origin")

// origin is a web origin that may use a key.
type origin struct {
	serialized string // ASCII serialisation of the origin, HTML §7.1.1
	host       string // its effective domain
}

func refused(format string, a ...any) error {
	return fmt.Errorf("%w: %s", ErrOrigin, fmt.Sprintf(format, a...))
}

// parseOrigin reads scheme://host[:port]. http is for this machine only: a page
// that anyone on the path can rewrite must not reach a key ("secure context",
// https://www.w3.org/TR/secure-contexts/#is-origin-trustworthy).
func parseOrigin(s string) (*origin, error) {
	u, err := url.Parse(s)
	if err != nil {
		return nil, refused("%q is no origin", s)
	}
	if u.Opaque != "" || u.User != nil || u.Path != "" || u.RawQuery != "" || u.ForceQuery || strings.Contains(s, "#") || u.Host == "" {
		return nil, refused("%q is no origin: it has the form https://host or https://host:port", s)
	}
	if strings.HasSuffix(u.Host, ":") {
		return nil, refused("%q is no origin: the port is missing", s)
	}
	host, err := asciiHost(u.Hostname())
	if err != nil {
		return nil, refused("%q is no origin: %v", s, err)
	}
	scheme := strings.ToLower(u.Scheme)
	defaultPort := ""
	switch {
	case scheme == "https":
		defaultPort = "443"
	case scheme == "http" && isLoopback(host):
		defaultPort = "80"
	case scheme == "http":
		return nil, refused("%q is not https, and http is for localhost only", s)
	default:
		return nil, refused("%q is not https", s)
	}
	o := &origin{host: host, serialized: scheme + "://" + bracketed(host)}
	if port := u.Port(); port != "" {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil {
			return nil, refused("%q is no origin: bad port", s)
		}
		if port = strconv.FormatUint(n, 10); port != defaultPort {
			o.serialized += ":" + port
		}
	}
	return o, nil
}

func bracketed(host string) string {
	if strings.Contains(host, ":") {
		return "[" + host + "]"
	}
	return host
}

// asciiHost lower-cases a host name and turns its Unicode labels into Punycode.
func asciiHost(host string) (string, error) {
	if ip, err := netip.ParseAddr(host); err == nil {
		if ip.Zone() != "" {
			return "", fmt.Errorf("a zone is no part of a host")
		}
		return ip.String(), nil
	}
	if strings.HasSuffix(host, ".") {
		return "", fmt.Errorf("the host ends in a dot")
	}
	ascii, err := idna.Lookup.ToASCII(host)
	if err != nil || ascii == "" {
		return "", fmt.Errorf("the host is not a domain name")
	}
	return ascii, nil
}

func isLoopback(host string) bool {
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.IsLoopback()
	}
	return host == "localhost" || strings.HasSuffix(host, ".localhost")
}

// checkRPID decides whether the origin may use an RP ID, which defaults to its
// host: "If options.rp.id is not a registrable domain suffix of and is not equal to
// effectiveDomain, throw a SecurityError."
//
// https://www.w3.org/TR/webauthn-3/#sctn-createCredential step 8, and
// https://html.spec.whatwg.org/multipage/browsers.html#is-a-registrable-domain-suffix-of-or-is-equal-to
func (o *origin) checkRPID(rpID string) (string, error) {
	if rpID == "" {
		rpID = o.host
	}
	// The last label of a domain is never a number (WHATWG URL, "ends in a
	// number"), which also catches addresses in short and odd spellings.
	if last := rpID[strings.LastIndexByte(rpID, '.')+1:]; isAddress(rpID) || last != "" && strings.Trim(last, "0123456789") == "" {
		return "", refused("%q is an address, and an RP ID is a domain name; on one machine use localhost", rpID)
	}
	if ascii, err := asciiHost(rpID); err != nil || ascii != rpID {
		return "", refused("the RP ID %q is not a domain name in lower-case ASCII", rpID)
	}
	if rpID == o.host {
		return rpID, nil
	}
	if !strings.HasSuffix(o.host, "."+rpID) {
		return "", refused("%s may not use the RP ID %q: it is neither its host nor a parent domain of it", o.serialized, rpID)
	}
	// "If hostSuffix equals hostSuffix's public suffix … return false": what
	// strangers share, co.uk or github.io, can be nobody's RP ID.
	if suffix, _ := publicsuffix.PublicSuffix(rpID); suffix == rpID {
		return "", refused("%s may not use the RP ID %q: it is a public suffix", o.serialized, rpID)
	}
	return rpID, nil
}

func isAddress(host string) bool {
	_, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil
}
