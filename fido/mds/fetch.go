package mds

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"time"
)

// fetchTimeout is for the whole of one answer: 11 MB on a slow line.
const fetchTimeout = 3 * time.Minute

// httpClient keeps to the origin: a redirect elsewhere is an error. The services
// of the FIDO Alliance may send us to each other.
func httpClient(cfg SourceConfig) *http.Client {
	client := &http.Client{}
	if cfg.HTTPClient != nil {
		client.Transport = cfg.HTTPClient.Transport
	}
	client.CheckRedirect = func(r *http.Request, via []*http.Request) error {
		first := via[0].URL
		switch {
		case len(via) > 3:
			return errors.New("too many redirects")
		case r.URL.Scheme == first.Scheme && r.URL.Host == first.Host:
			return nil
		case r.URL.Scheme == "https" && slices.Contains(cfg.Hosts, first.Host) && slices.Contains(cfg.Hosts, r.URL.Host):
			return nil
		}
		return fmt.Errorf("a redirect to another origin, %.60q, is not followed", r.URL.Scheme+"://"+r.URL.Host)
	}
	return client
}

// get reads at most limit bytes. It returns nil bytes for "304 Not Modified".
func get(ctx context.Context, client *http.Client, u *url.URL, known string, limit int64) (body []byte, etag string, err error) {
	bounded, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	fail := func(format string, args ...any) ([]byte, string, error) {
		if ctx.Err() != nil {
			return nil, "", fmt.Errorf("fetching %s: %w", u.Redacted(), ctx.Err())
		}
		return nil, "", fmt.Errorf("mds: fetching %s: %s", u.Redacted(), fmt.Sprintf(format, args...))
	}
	r, err := http.NewRequestWithContext(bounded, http.MethodGet, u.String(), nil)
	if err != nil {
		return fail("%v", err)
	}
	r.Header.Set("User-Agent", "lakekey")
	if known != "" {
		r.Header.Set("If-None-Match", known)
	}
	response, err := client.Do(r)
	if err != nil {
		if ue, ok := errors.AsType[*url.Error](err); ok {
			err = ue.Err // the address is said already
		}
		return fail("%v", err)
	}
	defer response.Body.Close()
	switch {
	case response.StatusCode == http.StatusNotModified && known != "":
		return nil, known, nil
	case response.StatusCode != http.StatusOK:
		return fail("the server answered %s", response.Status)
	case response.ContentLength > limit:
		return fail("the answer has %d bytes, more than %d", response.ContentLength, limit)
	}
	body, err = io.ReadAll(io.LimitReader(response.Body, limit+1))
	if err != nil {
		return fail("%v", err)
	}
	if int64(len(body)) > limit {
		return fail("the answer has more than %d bytes", limit)
	}
	return body, response.Header.Get("ETag"), nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
