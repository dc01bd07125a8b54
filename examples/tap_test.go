package examples_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// secretMembers are the parameters of requests and the members of answers that are
// secret while they count: RFC 6749, 7636, 8628, 8693, 9449, and what enrolment has.
var secretMembers = map[string]bool{
	"access_token": true, "refresh_token": true, "id_token": true, "id_token_hint": true, "subject_token": true, "actor_token": true,
	"code": true, "authorization_code": true, "code_verifier": true, "device_code": true, "auth_session": true, "token": true,
	"client_assertion": true, "client_secret": true, "invite": true,
}

// tap is a server in front of another, under the name that people use, which notes
// the secrets that go by.
type tap struct {
	*sink
	url   string
	proxy *httputil.ReverseProxy
	ln    net.Listener
}

// newTap returns a tap that answers once it is opened.
func newTap(t *testing.T) *tap {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { ln.Close() })
	_, port, err := net.SplitHostPort(ln.Addr().String())
	require.NoError(t, err)
	return &tap{sink: sinkOf(t), url: "http://localhost:" + port, ln: ln}
}

// open lets requests through to address.
func (p *tap) open(t *testing.T, address string) {
	t.Helper()
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.Proxy = nil
	p.proxy = &httputil.ReverseProxy{
		Transport: transport,
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&url.URL{Scheme: "http", Host: address})
			r.Out.Host = r.In.Host // the server has the tap's name
		},
		ModifyResponse: func(res *http.Response) error {
			p.header(res.Header)
			for _, cookie := range res.Cookies() {
				p.add("cookie", cookie.Value, false)
			}
			return p.body(&res.Body, res.Header)
		},
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.header(r.Header)
		for _, cookie := range r.Cookies() {
			p.add("cookie", cookie.Value, false)
		}
		p.values(r.URL.Query())
		if err := p.body(&r.Body, r.Header); err == nil { // or else the client went away
			p.proxy.ServeHTTP(w, r)
		}
	})}
	go func() { _ = server.Serve(p.ln) }()
	t.Cleanup(func() {
		server.Close()
		transport.CloseIdleConnections()
	})
}

func (p *tap) header(h http.Header) {
	if _, token, ok := strings.Cut(h.Get("Authorization"), " "); ok {
		p.add("bearer token", token, false)
	}
	p.add("DPoP proof", h.Get("DPoP"), false)
	if to, err := url.Parse(h.Get("Location")); err == nil {
		p.values(to.Query())
	}
}

func (p *tap) values(all url.Values) {
	for name, values := range all {
		for _, v := range values {
			if secretMembers[name] {
				p.add(name, v, name == "invite")
			}
		}
	}
}

// body notes what is in a body, and puts another in its place that says the same.
func (p *tap) body(b *io.ReadCloser, h http.Header) error {
	if *b == nil {
		return nil
	}
	data, err := io.ReadAll(*b)
	(*b).Close()
	*b = io.NopCloser(bytes.NewReader(data))
	if err != nil {
		return err
	}
	if strings.HasPrefix(h.Get("Content-Type"), "application/x-www-form-urlencoded") {
		form, err := url.ParseQuery(string(data))
		p.values(form)
		return err
	}
	var v any
	if json.Unmarshal(data, &v) == nil {
		p.members(v)
	}
	return nil
}

func (p *tap) members(v any) {
	switch v := v.(type) {
	case map[string]any:
		for name, member := range v {
			if text, ok := member.(string); ok && secretMembers[name] {
				p.add(name, text, name == "invite")
			}
			p.members(member)
		}
	case []any:
		for _, member := range v {
			p.members(member)
		}
	}
}
