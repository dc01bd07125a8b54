package databricks

import (
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/lakekey/lakekey/internal/secret"
)

// Transport returns a RoundTripper for the HTTPTransport of the SDK's Config. The
// SDK tells its credentials nothing about responses, so what depends on them
// lives here. It:
//
//   - invalidates a token that the host answers with 401 (revoked, say), takes
//     another and repeats the request once, if its body can be sent again: a 401
//     says that the request was not applied, whatever its method;
//   - refuses to send a token of the source, the current one or one of the 63
//     before it, to any other host as a bearer token;
//   - adds lakekey and the session to the User-Agent, for less than it costs
//     without a Transport.
//
// Requests that carry no token of the source, or one that another credential put
// there, pass unchanged but for the User-Agent. Nil base is net/http's default
// with a larger pool, proxies from the environment included; the SDK's
// InsecureSkipVerify has no effect on it.
func (s *Strategy) Transport(base http.RoundTripper) http.RoundTripper {
	if base == nil {
		base = defaultTransport()
	}
	return &transport{source: s.source, base: base}
}

type transport struct {
	source *TokenSource
	base   http.RoundTripper
}

// drainLimit is how much of a refused answer is read to keep its connection.
const drainLimit = 64 << 10

// RoundTrip implements [http.RoundTripper]. That interface asks not to interpret
// responses; repeating a request with a better token is the exception that
// RFC 9110 §15.5.2 describes: "The user agent MAY repeat the request with a new
// or replaced Authorization header field".
// https://www.rfc-editor.org/rfc/rfc9110#section-15.5.2
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	used := bearer(r.Header.Get("Authorization"))
	ours := t.source.issued.has(used)
	home := isAt(r.URL, t.source.Host())
	if ours && !home {
		if r.Body != nil {
			_ = r.Body.Close() // the contract of RoundTripper
		}
		return nil, fmt.Errorf("databricks: refusing to send a token for %s to %s", t.source.Host(), r.URL.Host)
	}
	if !home {
		return t.base.RoundTrip(r)
	}
	r = r.Clone(r.Context())
	r.Header.Set("User-Agent", strings.TrimSpace(r.Header.Get("User-Agent")+" "+t.source.agent))
	resp, err := t.base.RoundTrip(r)
	if err != nil || resp.StatusCode != http.StatusUnauthorized || !ours {
		return resp, err
	}
	return t.again(r, resp, used)
}

// again answers a 401 to used: with the answer to the same request under another
// token, or with the 401 itself.
func (t *transport) again(r *http.Request, refused *http.Response, used secret.Value) (*http.Response, error) {
	t.source.Invalidate(used)
	if r.Body != nil && r.Body != http.NoBody && r.GetBody == nil {
		return refused, nil
	}
	fresh, err := t.source.credential(r.Context())
	if err != nil || fresh.token.Value.Equal(used) {
		return refused, nil
	}
	repeated := r.Clone(r.Context())
	if r.GetBody != nil {
		if repeated.Body, err = r.GetBody(); err != nil {
			return refused, nil
		}
	}
	repeated.Header.Set("Authorization", fresh.authorization.Reveal())
	_, _ = io.CopyN(io.Discard, refused.Body, drainLimit)
	_ = refused.Body.Close()
	t.source.config.Logger.InfoContext(r.Context(), "repeating a request that was answered 401", "host", t.source.Host())
	return t.base.RoundTrip(repeated)
}
