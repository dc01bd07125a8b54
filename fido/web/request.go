package web

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/lakekey/lakekey/internal/strictjson"
)

// maxBody bounds what is read of a request. A response with its attestation has
// a few kilobytes.
const maxBody = 64 << 10

// read decodes the body into v, or refuses it and reports false. Only what is
// declared as JSON is taken: no form of another site can be.
func read(w http.ResponseWriter, r *http.Request, v any) bool {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		refuse(w, http.StatusUnsupportedMediaType, "invalid_request", "send the body as application/json")
		return false
	}
	body, err := io.ReadAll(r.Body) // bounded by guard
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		refuse(w, http.StatusRequestEntityTooLarge, "invalid_request", "the body is larger than 64 KiB, which no key's response is")
		return false
	} else if err != nil {
		refuse(w, http.StatusBadRequest, "invalid_request", "the body could not be read")
		return false
	}
	if err := strictjson.Check(body); err != nil {
		refuse(w, http.StatusBadRequest, "invalid_request", "the body is not JSON, or has a member twice")
		return false
	}
	if err := json.Unmarshal(body, v); err != nil {
		refuse(w, http.StatusBadRequest, "invalid_request", "the body is not the object that this path takes")
		return false
	}
	return true
}

// remote is the address that the request comes from: that of the connection or,
// where that is a trusted proxy, the last one in X-Forwarded-For that is none.
// What stands before it was written by whoever sent the request.
func (s *Site) remote(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	at, err := netip.ParseAddr(host)
	if err != nil {
		return host
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for _, hop := range slices.Backward(hops) {
		if !s.trusted(at) {
			break
		}
		next, err := netip.ParseAddr(strings.TrimSpace(hop))
		if err != nil {
			break
		}
		at = next
	}
	return at.Unmap().WithZone("").String()
}

func (s *Site) trusted(a netip.Addr) bool {
	return slices.ContainsFunc(s.cfg.TrustedProxies, func(p netip.Prefix) bool { return p.Contains(a.Unmap()) })
}

const maxUserAgent = 256

// userAgent is what the client calls itself.
func userAgent(r *http.Request) string {
	ua := r.UserAgent()
	return strings.ToValidUTF8(ua[:min(len(ua), maxUserAgent)], "")
}
