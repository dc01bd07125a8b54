package provider_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/examples/internal/provider"
)

// Behind a proxy the log says who asked, and nobody else is believed about that.
func TestWhoAsksThroughAProxy(t *testing.T) {
	for _, c := range []struct {
		proxies []string
		from    string // who connects
		want    string
	}{
		{nil, "127.0.0.1:7", "127.0.0.1"},
		{[]string{"127.0.0.1"}, "127.0.0.1:7", "203.0.113.9"},
		{[]string{"10.0.0.0/24", "::1"}, "[::1]:7", "203.0.113.9"},
		{[]string{"10.0.0.0/24"}, "10.0.1.1:7", "10.0.1.1"},
	} {
		p, err := provider.Open(t.Context(), provider.Config{URL: "https://login.example.com", DB: "memory:", Proxies: c.proxies})
		require.NoError(t, err)
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "https://login.example.com/signin", strings.NewReader(`{"step":"options"}`))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("X-Forwarded-For", "198.51.100.1, 203.0.113.9")
		r.RemoteAddr = c.from
		w := httptest.NewRecorder()
		p.ServeHTTP(w, r)
		require.Equal(t, http.StatusOK, w.Code, w.Body)
		var log bytes.Buffer
		_, err = p.Log().WriteTo(&log)
		require.NoError(t, err)
		require.Contains(t, log.String(), `"remote_addr":"`+c.want+`"`, "%v", c)
		require.NoError(t, p.Close())
	}
	for _, bad := range []string{"", "proxy.example.com", "0.0.0.0/0", "::/0", "10.0.0.0/33"} {
		_, err := provider.Open(t.Context(), provider.Config{URL: "https://login.example.com", DB: "memory:", Proxies: []string{bad}})
		require.ErrorContains(t, err, "-proxy", "%q", bad)
	}
}
