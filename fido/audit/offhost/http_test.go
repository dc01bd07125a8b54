package offhost_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/fido/audit"
	"github.com/lakekey/lakekey/fido/audit/offhost"
	"github.com/lakekey/lakekey/internal/secret"
)

var (
	_ audit.CheckpointSink = (*offhost.HTTP)(nil)
	_ audit.CheckpointSink = (*offhost.Directory)(nil)
)

func TestACheckpointIsPosted(t *testing.T) {
	var got *http.Request
	var body []byte
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r
		body, _ = io.ReadAll(r.Body)
		w.WriteHeader(http.StatusAccepted)
	}))
	defer server.Close()
	sink, err := offhost.NewHTTP(server.URL+"/keep?log=1", offhost.HTTPConfig{Token: secret.New("s3cret")})
	require.NoError(t, err)
	require.NoError(t, sink.Keep(t.Context(), []byte("checkpoint")))
	require.Equal(t, http.MethodPost, got.Method)
	require.Equal(t, "/keep?log=1", got.URL.String())
	require.Equal(t, "Bearer s3cret", got.Header.Get("Authorization"))
	require.Equal(t, "text/plain; charset=utf-8", got.Header.Get("Content-Type"))
	require.Equal(t, "checkpoint", string(body))
}

// A stolen answer must not take the token, or the checkpoint, to another place.
func TestRedirectsAreNotFollowed(t *testing.T) {
	var strayed atomic.Bool
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { strayed.Store(true) }))
	defer other.Close()
	for _, status := range []int{301, 302, 303, 307, 308} {
		server := httptest.NewServer(http.RedirectHandler(other.URL, status))
		sink, err := offhost.NewHTTP(server.URL, offhost.HTTPConfig{Token: secret.New("s3cret")})
		require.NoError(t, err)
		require.ErrorContains(t, sink.Keep(t.Context(), []byte("checkpoint")), "redirects are not followed")
		server.Close()
	}
	require.False(t, strayed.Load())
}

func TestAServiceIsNamed(t *testing.T) {
	for _, bad := range []string{"", "example.com", "ftp://example.com/", "http://example.com/x", "https://", "https://u:p@example.com/", "https://example.com/#x", ":"} {
		_, err := offhost.NewHTTP(bad, offhost.HTTPConfig{})
		require.Error(t, err, bad)
		require.NotContains(t, err.Error(), "u:p@x")
	}
	for _, good := range []string{"https://example.com/x", "http://localhost:8080/", "http://[::1]/", "http://127.0.0.1/"} {
		_, err := offhost.NewHTTP(good, offhost.HTTPConfig{})
		require.NoError(t, err, good)
	}
	_, err := offhost.NewHTTP("http://example.com/x", offhost.HTTPConfig{InsecureHTTP: true})
	require.NoError(t, err)
}

// transport answers without a network, so that time can be a test's.
type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestTriesAreBounded(t *testing.T) {
	for name, c := range map[string]struct {
		status  []int // 0: no answer until the deadline
		tries   int
		errors  string
		atLeast time.Duration
		atMost  time.Duration
	}{
		"kept at once":      {[]int{204}, 1, "", 0, 0},
		"busy, then kept":   {[]int{503, 429, 200}, 3, "", 750 * time.Millisecond, time.Second},
		"broken":            {[]int{500, 500, 500}, 3, "status 500", 750 * time.Millisecond, time.Second},
		"refused":           {[]int{403}, 1, "status 403", 0, 0},
		"silent":            {[]int{0, 0, 0}, 3, "deadline", 9 * time.Second, 10 * time.Second},
		"silent, then kept": {[]int{0, 200}, 2, "", 3 * time.Second, 4 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := 0
				sink, err := offhost.NewHTTP("https://keep.example.com/secret-path", offhost.HTTPConfig{Transport: transport(func(r *http.Request) (*http.Response, error) {
					status := c.status[n]
					n++
					if status == 0 {
						<-r.Context().Done()
						return nil, r.Context().Err()
					}
					// An answer without an end must not be read to its end.
					return &http.Response{StatusCode: status, Body: io.NopCloser(endless{}), Request: r}, nil
				})})
				require.NoError(t, err)
				start := time.Now()
				err = sink.Keep(t.Context(), []byte("checkpoint"))
				if c.errors == "" {
					require.NoError(t, err)
				} else {
					require.ErrorContains(t, err, c.errors)
					require.NotContains(t, err.Error(), "secret-path")
				}
				require.Equal(t, c.tries, n)
				require.GreaterOrEqual(t, time.Since(start), c.atLeast)
				require.LessOrEqual(t, time.Since(start), c.atMost)
			})
		})
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

func TestAPauseEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink, err := offhost.NewHTTP("https://keep.example.com/", offhost.HTTPConfig{Transport: transport(func(r *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 500, Body: io.NopCloser(strings.NewReader("")), Request: r}, nil
		})})
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		start := time.Now()
		require.ErrorIs(t, sink.Keep(ctx, []byte("checkpoint")), context.DeadlineExceeded)
		require.Equal(t, 100*time.Millisecond, time.Since(start))
	})
}
