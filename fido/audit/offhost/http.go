package offhost

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/lakekey/lakekey/internal/secret"
)

// HTTPConfig are the optional settings of [NewHTTP].
type HTTPConfig struct {
	// Token is sent as a bearer token; the zero Value sends none.
	Token secret.Value

	// Transport makes the requests; nil means one like net/http's default, which
	// believes in the proxy of the environment.
	Transport http.RoundTripper

	// InsecureHTTP allows a URL that is not https and not on this machine: anybody
	// on the way could read the token, and swallow checkpoints unseen.
	InsecureHTTP bool
}

// HTTP posts checkpoints to a service.
type HTTP struct {
	url    secret.Value // a path or query may let in
	host   string
	token  secret.Value
	client *http.Client
}

const (
	tries      = 3 // within one Keep, whose caller tries again later
	tryTimeout = 3 * time.Second
	firstPause = 250 * time.Millisecond
	maxAnswer  = 4 << 10 // is read, and thrown away, so that the connection can be used again
)

// NewHTTP returns a sink that posts each checkpoint, as text/plain, to the URL. A
// status of 200 to 299 says that it is kept. Redirects are not followed: a
// token goes to the place that was configured and to no other.
func NewHTTP(address string, c HTTPConfig) (*HTTP, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" {
		return nil, fmt.Errorf("audit/offhost: %q is no URL to post checkpoints to: it must be like https://host/path", address)
	}
	switch {
	case u.Scheme == "https":
	case u.Scheme == "http" && (c.InsecureHTTP || loopback(u.Hostname())):
	default:
		return nil, fmt.Errorf("audit/offhost: %s does not begin with https:// and is not on this machine (set InsecureHTTP if the network may be trusted)", u.Redacted())
	}
	return &HTTP{
		url: secret.New(address), host: u.Host, token: c.Token,
		client: &http.Client{
			Transport:     c.Transport,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Keep implements [audit.CheckpointSink]. It tries up to three times while the
// service is out of reach, busy or broken; a refusal is final.
func (h *HTTP) Keep(ctx context.Context, checkpoint []byte) error {
	pause := firstPause
	for n := 1; ; n++ {
		again, err := h.post(ctx, checkpoint)
		if err == nil || !again || n == tries {
			return err
		}
		select {
		case <-time.After(pause):
			pause *= 2
		case <-ctx.Done():
			return fmt.Errorf("%w, after: %v", ctx.Err(), err)
		}
	}
}

// post says whether it is worth to try again. Its errors name no more than the
// host: a path may hold a secret, and an answer may hold anything.
func (h *HTTP) post(ctx context.Context, checkpoint []byte) (again bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, tryTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.url.Reveal(), bytes.NewReader(checkpoint))
	if err != nil {
		return false, fmt.Errorf("audit/offhost: making a request to %s: not a URL", h.host)
	}
	req.Header.Set("Content-Type", "text/plain; charset=utf-8")
	req.Header.Set("User-Agent", "lakekey")
	if !h.token.IsZero() {
		req.Header.Set("Authorization", "Bearer "+h.token.Reveal())
	}
	resp, err := h.client.Do(req)
	if err != nil {
		if e, ok := errors.AsType[*url.Error](err); ok {
			err = e.Err // without the URL
		}
		return true, fmt.Errorf("audit/offhost: posting a checkpoint to %s: %v", h.host, err)
	}
	defer resp.Body.Close()
	_, _ = io.CopyN(io.Discard, resp.Body, maxAnswer)
	switch s := resp.StatusCode; {
	case s >= 200 && s < 300:
		return false, nil
	case s >= 300 && s < 400:
		return false, fmt.Errorf("audit/offhost: %s answered a checkpoint with status %d: redirects are not followed, configure the place itself", h.host, s)
	default:
		return s >= 500 || s == http.StatusTooManyRequests || s == http.StatusRequestTimeout,
			fmt.Errorf("audit/offhost: %s answered a checkpoint with status %d", h.host, s)
	}
}
