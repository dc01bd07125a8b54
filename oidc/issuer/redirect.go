package issuer

import (
	"errors"
	"net/url"
	"slices"
	"strings"

	"github.com/lakekey/lakekey/internal/origin"
)

// maxRedirectURI bounds what is compared, kept and sent along.
const maxRedirectURI = 2048

// checkRedirectURI decides what may be registered: https; http on a loopback
// host; or a scheme of the program's own, which has a dot in it because it is
// named after a domain (RFC 8252 §7.1), so that javascript: and data: are none.
// "The endpoint URI MUST NOT include a fragment component" (RFC 6749 §3.1.2).
// https://www.rfc-editor.org/rfc/rfc8252#section-7
func checkRedirectURI(s string) error {
	if !printable(s, maxRedirectURI) {
		return errors.New("must be printable ASCII characters without spaces")
	}
	u, err := url.Parse(s)
	if err != nil {
		return errors.New("is not a URL")
	}
	for name := range u.Query() {
		if slices.Contains([]string{"code", "state", "iss", "error", "error_description"}, name) {
			return errors.New("must not have the parameter " + name + ", which is in the answer")
		}
	}
	switch {
	case strings.Contains(s, "#"):
		return errors.New("must not have a fragment")
	case u.User != nil:
		return errors.New("must not have a user name")
	case strings.Contains(s, "*"):
		return errors.New("is compared character by character: a star stands for nothing but itself, so list every URI")
	case u.Scheme == "https" || u.Scheme == "http":
		if _, err := origin.Of(u); err != nil {
			return err
		}
		if strings.EqualFold(u.Hostname(), "localhost") && u.Port() == "" {
			return errors.New("write 127.0.0.1 or [::1], where any port is taken; the name localhost can lead elsewhere (RFC 8252 §8.3), and needs its port")
		}
		return nil
	case !strings.Contains(u.Scheme, ".") || u.Host == "" && u.Path == "" && u.Opaque == "":
		return errors.New("must be https, http on 127.0.0.1 or [::1], or a scheme named after a domain, such as com.example.app:/callback")
	}
	return nil
}

// redirectAllowed reports whether asked is one of the client's redirect URIs:
// "authorization servers MUST utilize exact string matching except for port
// numbers in localhost redirection URIs of native apps" (RFC 9700 §2.1).
// https://www.rfc-editor.org/rfc/rfc9700#section-2.1
func redirectAllowed(registered []string, asked string) bool {
	if !printable(asked, maxRedirectURI) {
		return false
	}
	if slices.Contains(registered, asked) {
		return true
	}
	host, rest, ok := cutLoopback(asked)
	return ok && slices.ContainsFunc(registered, func(r string) bool {
		h, t, ok := cutLoopback(r)
		return ok && h == host && t == rest
	})
}

// cutLoopback splits an http URI on a loopback address into what stands before
// its port and what stands after it. It looks at characters, not at what a
// parser makes of them: nothing can hide in a port but digits.
func cutLoopback(uri string) (host, rest string, ok bool) {
	for _, host := range []string{"http://127.0.0.1", "http://[::1]"} {
		rest, found := strings.CutPrefix(uri, host)
		if !found {
			continue
		}
		if port, digits := strings.CutPrefix(rest, ":"); digits {
			after := strings.TrimLeft(port, "0123456789")
			if n := len(port) - len(after); n == 0 || n > 5 {
				return "", "", false
			}
			rest = after
		}
		return host, rest, true
	}
	return "", "", false
}

// redirectHost is what a person is told about where the browser goes next.
func redirectHost(uri string) string {
	u, err := url.Parse(uri)
	switch {
	case err != nil || u.Host == "":
		return "a program on this device"
	case strings.HasPrefix(uri, "http://"):
		return "a program on this computer"
	default:
		return u.Host
	}
}
