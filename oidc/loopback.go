package oidc

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/lakekey/lakekey/internal/secret"
)

// defaultRedirect has no port: any that is free. An address and not "localhost",
// which may resolve to an interface that others listen on: RFC 8252 §8.3.
// https://www.rfc-editor.org/rfc/rfc8252#section-8.3
const defaultRedirect = "http://127.0.0.1/callback"

// What the browser shows, whatever was sent: nothing of a request is repeated,
// so that a link cannot make this page say anything.
const (
	pageDone    = "The answer has arrived. Close this window and go back to the program, which says how it went.\n"
	pageUnknown = "No sign-in that is under way expects this. Go back to the program.\n"
)

// loopback waits on this machine for the browser to come back from the issuer,
// RFC 8252 §7.3. It serves one sign-in.
// https://www.rfc-editor.org/rfc/rfc8252#section-7.3
type loopback struct {
	redirect *url.URL // with the port that is listened on
	state    string
	check    func(url.Values) (secret.Value, error)
	answers  chan arrival // holds one
	server   *http.Server

	mu   sync.Mutex
	over bool // an answer has been taken; no second one is

	serving sync.RWMutex // held for reading while a page is being sent
}

// arrival is what came back to a sign-in: a code, or why there is none.
type arrival struct {
	code secret.Value
	err  error
}

// parseRedirect reads SignInRequest.RedirectURL.
func parseRedirect(raw string) (*url.URL, error) {
	if raw == "" {
		raw = defaultRedirect
	}
	u, err := url.Parse(raw)
	if err != nil {
		return nil, errors.New("oidc: SignInRequest.RedirectURL is not a URL")
	}
	host := u.Hostname()
	switch {
	case u.Scheme != "http" || host != "127.0.0.1" && host != "::1" && host != "localhost":
		return nil, fmt.Errorf("oidc: SignInRequest.RedirectURL %q: the browser must come back to this machine: http://127.0.0.1/…, http://[::1]/… or http://localhost/…", raw)
	case u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || u.Path == "":
		return nil, fmt.Errorf("oidc: SignInRequest.RedirectURL %q: it needs a path, and no query, fragment or user name", raw)
	}
	return u, nil
}

// newLoopback listens and serves. check looks at what came back with the right
// state.
func newLoopback(ctx context.Context, redirect *url.URL, state string, check func(url.Values) (secret.Value, error)) (*loopback, error) {
	listeners, err := listen(ctx, redirect)
	if err != nil {
		return nil, err
	}
	at := *redirect
	_, port, _ := net.SplitHostPort(listeners[0].Addr().String())
	at.Host = net.JoinHostPort(redirect.Hostname(), port)
	l := &loopback{redirect: &at, state: state, check: check, answers: make(chan arrival, 1)}
	l.server = &http.Server{
		Handler:           l,
		ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 5 * time.Second, WriteTimeout: 5 * time.Second,
		MaxHeaderBytes: 16 << 10,
		ErrorLog:       discard,
	}
	for _, ln := range listeners {
		go func() { _ = l.server.Serve(ln) }() // ends with close
	}
	return l, nil
}

// listen opens the port on every address that the redirect's host can mean:
// where "localhost" is both, a stranger must not hold the other one.
func listen(ctx context.Context, redirect *url.URL) ([]net.Listener, error) {
	host, port := redirect.Hostname(), redirect.Port()
	if port == "" {
		port = "0"
	}
	first := host
	if host == "localhost" {
		first = "127.0.0.1"
	}
	var config net.ListenConfig
	ln, err := config.Listen(ctx, "tcp", net.JoinHostPort(first, port))
	if err != nil {
		return nil, fmt.Errorf("oidc: listening for the browser to come back to %s: %v; if another program has the port, end it, or register a redirect URL without a port", redirect, err)
	}
	if host != "localhost" {
		return []net.Listener{ln}, nil
	}
	_, port, _ = net.SplitHostPort(ln.Addr().String())
	second, err := config.Listen(ctx, "tcp", net.JoinHostPort("::1", port))
	if err != nil { // a machine without IPv6, most of the time
		return []net.Listener{ln}, nil
	}
	return []net.Listener{ln, second}, nil
}

// close stops listening, after a page that is on its way has been sent. It is not
// http.Server.Shutdown, which waits for connections that browsers open in
// advance.
func (l *loopback) close() {
	l.serving.Lock()
	defer l.serving.Unlock()
	_ = l.server.Close()
}

// ServeHTTP implements [http.Handler].
func (l *loopback) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	l.serving.RLock()
	defer l.serving.RUnlock()
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer") // the address holds the code
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set("Connection", "close")
	status, page := http.StatusNotFound, pageUnknown
	switch {
	// A page elsewhere whose name was made to resolve to this machine (DNS
	// rebinding) still sends its own name.
	case r.Host != l.redirect.Host:
		status = http.StatusMisdirectedRequest
	case r.URL.Path != l.redirect.Path:
	case r.Method != http.MethodGet:
		h.Set("Allow", http.MethodGet)
		status = http.StatusMethodNotAllowed
	case l.take(r.URL.RawQuery):
		status, page = http.StatusOK, pageDone
	default:
		status = http.StatusBadRequest
	}
	h.Set("Content-Length", strconv.Itoa(len(page)))
	w.WriteHeader(status)
	_, _ = io.WriteString(w, page)
	_ = http.NewResponseController(w).Flush() // complete before close may cut the connection
}

// take takes the answer to this sign-in, once, and reports whether query is it.
// Anything without the sign-in's own state is not, and changes nothing: whoever
// can reach this port could otherwise end the sign-in.
func (l *loopback) take(query string) bool {
	values, err := url.ParseQuery(query)
	if err != nil || !single(values) || subtle.ConstantTimeCompare([]byte(values.Get("state")), []byte(l.state)) != 1 {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over {
		return false
	}
	l.over = true
	code, err := l.check(values)
	l.answers <- arrival{code, err}
	return true
}

// pasted takes an address that a person copied from a browser which could not
// come back here by itself.
func (l *loopback) pasted(text string) error {
	text = strings.TrimSpace(text)
	u, err := url.Parse(text)
	switch {
	case err != nil || len(text) > maxHeader:
		return errors.New("oidc: that is no address")
	case u.Scheme != l.redirect.Scheme || u.Host != l.redirect.Host || u.Path != l.redirect.Path:
		return fmt.Errorf("oidc: that is not the address the browser ended at: it begins with %s?", l.redirect)
	case !l.take(u.RawQuery):
		return errors.New("oidc: that address belongs to another sign-in, or a part of it is missing")
	}
	return nil
}

// single reports whether no parameter stands twice, RFC 6749 §3.1.
// https://www.rfc-editor.org/rfc/rfc6749#section-3.1
func single(values url.Values) bool {
	for _, v := range values {
		if len(v) != 1 {
			return false
		}
	}
	return true
}
