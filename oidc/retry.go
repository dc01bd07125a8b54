package oidc

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	maxAttempts  = 4
	maxPatience  = 10 * time.Second // for all attempts: silence that a person bears
	defaultPause = 500 * time.Millisecond
)

// retryAfter reads the header of that name, RFC 9110 §10.2.3: a number of
// seconds or a date. Anything else, and what is past, is zero.
// https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3
func retryAfter(value string, now time.Time) time.Duration {
	value = strings.TrimSpace(value)
	if n, err := strconv.ParseUint(value, 10, 31); err == nil {
		return time.Duration(n) * time.Second
	}
	if t, err := http.ParseTime(value); err == nil {
		return max(t.Sub(now), 0)
	}
	return 0
}

// patient sends a request and, as long as the server says that it is busy (429
// or 503) and nothing else, waits for as long as the server asks and sends it
// again. It gives up with the last answer, at once, when the wait would end after
// until or after ctx.
func patient(ctx context.Context, now func() time.Time, until time.Time, send func() (*answer, error)) (*answer, error) {
	for attempt := 0; ; attempt++ {
		a, err := send()
		if err != nil || attempt == maxAttempts-1 || a.status != http.StatusTooManyRequests && a.status != http.StatusServiceUnavailable {
			return a, err
		}
		pause := retryAfter(a.header.Get("Retry-After"), now())
		if pause == 0 {
			pause = defaultPause << attempt
		}
		if deadline, ok := ctx.Deadline(); time.Until(until) < pause || ok && time.Until(deadline) <= pause {
			return a, nil
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, ctx.Err()
		}
	}
}
