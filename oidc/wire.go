package oidc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/lakekey/lakekey/internal/origin"
)

// How much is read of whom, and how long one request may take.
const (
	maxDiscovery = 256 << 10
	maxJWKS      = 256 << 10
	maxAnswer    = 64 << 10
	maxHeader    = 64 << 10
	attemptTime  = 15 * time.Second
)

const defaultUserAgent = "lakekey"

// wire is the one way from this package to a server.
type wire struct {
	client    *http.Client
	userAgent string
}

func newWire(rt http.RoundTripper, userAgent string) *wire {
	if rt == nil {
		rt = &http.Transport{
			Proxy:                  http.ProxyFromEnvironment,
			DialContext:            (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
			ForceAttemptHTTP2:      true,
			MaxIdleConns:           8,
			IdleConnTimeout:        90 * time.Second,
			TLSHandshakeTimeout:    10 * time.Second,
			ResponseHeaderTimeout:  attemptTime,
			MaxResponseHeaderBytes: maxHeader,
		}
	}
	if userAgent == "" {
		userAgent = defaultUserAgent
	}
	return &wire{client: &http.Client{Transport: rt, CheckRedirect: checkRedirect}, userAgent: userAgent}
}

// checkRedirect lets a GET move within its origin and nothing else move at all:
// what we POST is a secret for one endpoint.
func checkRedirect(req *http.Request, via []*http.Request) error {
	if via[0].Method != http.MethodGet {
		return http.ErrUseLastResponse
	}
	if len(via) > 3 {
		return errors.New("too many redirects")
	}
	from, err := origin.Of(via[0].URL)
	if err != nil {
		return err
	}
	if to, err := origin.Of(req.URL); err != nil || to != from {
		return errors.New("redirected to another origin")
	}
	return nil
}

// answer is a response, read to its end.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// get fetches a document.
func (w *wire) get(ctx context.Context, address string, limit int64) ([]byte, error) {
	a, err := w.do(ctx, http.MethodGet, address, nil, nil, limit)
	if err != nil {
		return nil, err
	}
	if a.status != http.StatusOK {
		return nil, fmt.Errorf("%s answered %d", address, a.status)
	}
	return a.body, nil
}

// post sends a form once.
func (w *wire) post(ctx context.Context, address string, form url.Values, header http.Header) (*answer, error) {
	return w.do(ctx, http.MethodPost, address, form, header, maxAnswer)
}

func (w *wire) do(ctx context.Context, method, address string, form url.Values, header http.Header, limit int64) (*answer, error) {
	ctx, cancel := context.WithTimeout(ctx, attemptTime)
	defer cancel()
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	req, err := http.NewRequestWithContext(ctx, method, address, body)
	if err != nil {
		return nil, errors.New("not a URL to send a request to") // err repeats it
	}
	for name, values := range header {
		req.Header[name] = values
	}
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	req.Header.Set("Accept", "application/json")
	if req.Header.Get("User-Agent") == "" {
		req.Header.Set("User-Agent", w.userAgent)
	}
	resp, err := w.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if err != nil {
		return nil, fmt.Errorf("reading the answer: %w", err)
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("the answer is longer than %d KiB", limit>>10)
	}
	return &answer{status: resp.StatusCode, header: resp.Header, body: data}, nil
}

// secretFields are the form fields that must not come back in an error.
var secretFields = []string{"subject_token", "refresh_token", "code", "code_verifier", "auth_session", "webauthn_response", "token", "device_code"}

// failure reads a refusal in the form of RFC 6749 §5.2.
func (a *answer) failure(endpoint string, sent url.Values, now time.Time) *ExchangeError {
	e := &ExchangeError{Endpoint: endpoint, Status: a.status, RetryAfter: retryAfter(a.header.Get("Retry-After"), now)}
	if 300 <= a.status && a.status < 400 {
		e.Description = "it redirects, and a redirect is not followed with a secret"
		return e
	}
	m, err := parseObject(a.body)
	if err != nil {
		return e
	}
	var secrets []string
	for _, f := range secretFields {
		secrets = append(secrets, sent[f]...)
	}
	code, _ := m.optional("error")
	description, _ := m.optional("error_description")
	e.Code, e.Description = cleanCode(code), clean(description, secrets...)
	return e
}
