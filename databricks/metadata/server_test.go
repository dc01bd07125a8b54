package metadata_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lakekey/lakekey/databricks"
	"github.com/lakekey/lakekey/databricks/metadata"
	"github.com/lakekey/lakekey/internal/secret"
	"github.com/lakekey/lakekey/oidc"
	"github.com/stretchr/testify/require"
)

var _ metadata.Source = (*databricks.TokenSource)(nil)

const workspace = "https://dbc-1.cloud.databricks.com"

// source is a token source whose every answer is scripted.
type source struct {
	host string

	mu    sync.Mutex
	token string
	err   error
	wait  bool
	calls int
}

func (s *source) Host() string { return s.host }

func (s *source) Token(ctx context.Context) (*oidc.Token, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls++
	if s.wait {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if s.err != nil {
		return nil, s.err
	}
	return &oidc.Token{Value: secret.New(s.token), Type: "Bearer", Expires: time.Unix(2000000000, 0)}, nil
}

func (s *source) set(f func(*source)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(s)
}

// service is a server that really listens, with one host.
type service struct {
	*metadata.Server
	address string // of the listener
	url     string // of the host
	source  *source
	log     *strings.Builder
	asked   atomic.Int64
}

func newService(t testing.TB, options metadata.Options) *service {
	t.Helper()
	l, err := metadata.Listen(t.Context(), "localhost:0")
	require.NoError(t, err)
	s := &service{address: l.Addr().String(), source: &source{host: workspace, token: "secret-token"}, log: new(strings.Builder)}
	options.Logger = slog.New(slog.NewTextHandler(s.log, nil))
	if options.Timeout == 0 {
		options.Timeout = 50 * time.Millisecond // what may pass is not waited for here
	}
	s.Server, err = metadata.NewServer(l.Addr(), options)
	require.NoError(t, err)
	u, err := s.Add(s.source)
	require.NoError(t, err)
	s.url = u.Reveal()
	server := &httptest.Server{Listener: l, Config: &http.Server{ConnContext: s.ConnContext, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.asked.Add(1)
		s.ServeHTTP(w, r)
	})}}
	server.Start()
	t.Cleanup(server.Close)
	return s
}

// get is a correct request, which edit spoils.
func (s *service) get(t testing.TB, edit func(*http.Request)) (int, map[string]any, http.Header) {
	t.Helper()
	r, err := http.NewRequest(http.MethodGet, s.url, nil)
	require.NoError(t, err)
	r.Header.Set("X-Databricks-Metadata-Version", "1")
	r.Header.Set("X-Databricks-Host", workspace)
	edit(r)
	resp, err := http.DefaultTransport.RoundTrip(r)
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	var m map[string]any
	if r.Method != http.MethodHead {
		require.NoError(t, json.Unmarshal(body, &m), "%s", body)
	}
	require.Equal(t, "application/json", resp.Header.Get("Content-Type"))
	require.Equal(t, "no-store", resp.Header.Get("Cache-Control"))
	for name := range resp.Header {
		require.False(t, strings.HasPrefix(name, "Access-Control-"), name)
	}
	return resp.StatusCode, m, resp.Header
}

func TestToken(t *testing.T) {
	s := newService(t, metadata.Options{})
	for name, edit := range map[string]func(*http.Request){
		"as it is":           func(*http.Request) {},
		"localhost":          func(r *http.Request) { r.Host = strings.Replace(s.address, "127.0.0.1", "localhost", 1) },
		"slash at the end":   func(r *http.Request) { r.URL.Path += "/" },
		"host with a slash":  func(r *http.Request) { r.Header.Set("X-Databricks-Host", workspace+"/") },
		"host in capitals":   func(r *http.Request) { r.Header.Set("X-Databricks-Host", strings.ToUpper(workspace)+":443") },
		"host without https": func(r *http.Request) { r.Header.Set("X-Databricks-Host", strings.TrimPrefix(workspace, "https://")) },
		"host in quotes":     func(r *http.Request) { r.Header.Set("X-Databricks-Host", `"`+workspace+`"`) },
	} {
		status, body, _ := s.get(t, edit)
		require.Equal(t, http.StatusOK, status, name)
		// A JSON number: Python's SDK refuses anything else.
		require.Equal(t, map[string]any{"access_token": "secret-token", "token_type": "Bearer", "expires_on": float64(2000000000)}, body, name)
	}
	require.NotContains(t, s.log.String(), "secret")
}

func TestURL(t *testing.T) {
	s := newService(t, metadata.Options{})
	u, err := url.Parse(s.url)
	require.NoError(t, err)
	require.Equal(t, s.address, u.Host)
	require.Equal(t, "127.0.0.1", u.Hostname())
	require.Len(t, u.Path, 1+43, "256 bits in base64url")

	again, err := s.Add(&source{host: workspace})
	require.NoError(t, err)
	require.NotEqual(t, s.url, again.Reveal())
	require.Equal(t, "[redacted]", fmt.Sprint(again))
}

func TestStrangersAreRefused(t *testing.T) {
	s := newService(t, metadata.Options{Command: "keyagent -key usb"})
	set := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	for name, c := range map[string]struct {
		edit   func(*http.Request)
		status int
	}{
		"DNS rebinding":           {func(r *http.Request) { r.Host = "evil.example" }, 403},
		"rebinding, right port":   {func(r *http.Request) { r.Host = "evil.example:" + r.URL.Port() }, 403},
		"other loopback name":     {func(r *http.Request) { r.Host = "127.0.0.2:" + r.URL.Port() }, 403},
		"name without port":       {func(r *http.Request) { r.Host = "localhost" }, 403},
		"no path":                 {func(r *http.Request) { r.URL.Path = "/" }, 404},
		"guessed path":            {func(r *http.Request) { r.URL.Path = "/" + strings.Repeat("A", 43) }, 404},
		"path in another case":    {func(r *http.Request) { r.URL.Path = swapCase(r.URL.Path) }, 404},
		"start of the path":       {func(r *http.Request) { r.URL.Path = r.URL.Path[:40] }, 404},
		"more path":               {func(r *http.Request) { r.URL.Path += "/x" }, 404},
		"preflight":               {func(r *http.Request) { r.Method = "OPTIONS"; r.Header.Set("Origin", "https://evil.example") }, 405},
		"POST":                    {func(r *http.Request) { r.Method = "POST" }, 405},
		"HEAD":                    {func(r *http.Request) { r.Method = "HEAD" }, 405},
		"no version":              {func(r *http.Request) { r.Header.Del("X-Databricks-Metadata-Version") }, 400},
		"version 2":               {set("X-Databricks-Metadata-Version", "2"), 400},
		"two versions":            {func(r *http.Request) { r.Header.Add("X-Databricks-Metadata-Version", "1") }, 400},
		"no host":                 {func(r *http.Request) { r.Header.Del("X-Databricks-Host") }, 400},
		"empty host":              {set("X-Databricks-Host", ""), 400},
		"another host":            {set("X-Databricks-Host", "https://dbc-2.cloud.databricks.com"), 400},
		"another port":            {set("X-Databricks-Host", workspace+":8443"), 400},
		"http":                    {set("X-Databricks-Host", "http://dbc-1.cloud.databricks.com"), 400},
		"host hidden in userinfo": {set("X-Databricks-Host", workspace+"@evil.example"), 400},
	} {
		status, body, _ := s.get(t, c.edit)
		require.Equal(t, c.status, status, name)
		require.NotContains(t, body, "access_token", name)
		if c.status != 405 || body != nil {
			require.NotEmpty(t, body["error"], name)
		}
		if c.status == 400 {
			require.Contains(t, body["error_description"], "set DATABRICKS_", name)
		}
	}
	require.Zero(t, s.source.calls, "no source is asked for a stranger")
	path := strings.TrimPrefix(s.url, "http://"+s.address+"/")
	require.NotContains(t, s.log.String(), path)

	_, body, header := s.get(t, func(r *http.Request) { r.Method = "PUT" })
	require.Equal(t, "GET", header.Get("Allow"))
	require.NotContains(t, fmt.Sprint(body), path)
}

func swapCase(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z':
			return r - 'a' + 'A'
		case 'A' <= r && r <= 'Z':
			return r - 'A' + 'a'
		}
		return r
	}, s)
}

// Every refusal that a person sees says what to do, and none makes the Go SDK
// ask for 10 s.
func TestRefusalsSayWhatToDo(t *testing.T) {
	login := fmt.Errorf("taking an ID token: %w", &oidc.LoginRequiredError{Reason: "over", Command: "other command"})
	for name, c := range map[string]struct {
		err     error
		command string
		status  int
		code    string
		says    string
	}{
		"ended":                   {login, "keyagent -host " + workspace, 403, "login_required", "run: keyagent -host " + workspace},
		"ended, command by error": {login, "", 403, "login_required", "run: other command"},
		"ended, no command":       {&oidc.LoginRequiredError{}, "", 403, "login_required", "sign in again"},
		"no policy":               {&oidc.ExchangeError{Status: 401, Code: "invalid_grant", Description: "no policy"}, "", 403, "access_denied", "federation policy"},
		"busy":                    {&oidc.ExchangeError{Status: 503}, "", 503, "temporarily_unavailable", "try again"},
		"too busy":                {&oidc.ExchangeError{Status: 429, Description: "Too Many Requests"}, "", 503, "temporarily_unavailable", "not now"},
		"port 14290":              {errors.New("dial tcp 10.0.0.1:14290"), "", 503, "temporarily_unavailable", "not now"},
		"network":                 {errors.New("no route"), "", 503, "temporarily_unavailable", "no route"},
	} {
		s := newService(t, metadata.Options{Command: c.command})
		s.source.set(func(s *source) { s.err = c.err })
		status, body, _ := s.get(t, func(*http.Request) {})
		require.Equal(t, c.status, status, name)
		require.Equal(t, c.code, body["error"], name)
		require.Contains(t, body["error_description"], c.says, name)
		require.NotContains(t, body["error_description"], "429", name)
	}
}

// A source that takes long does not hold the client until the client gives up.
func TestSlowSource(t *testing.T) {
	s := newService(t, metadata.Options{Timeout: 50 * time.Millisecond})
	s.source.wait = true
	status, body, _ := s.get(t, func(*http.Request) {})
	require.Equal(t, http.StatusServiceUnavailable, status)
	require.Contains(t, body["error_description"], "try again")
}

func TestEachURLServesItsOwnHost(t *testing.T) {
	s := newService(t, metadata.Options{})
	const second = "https://dbc-2.cloud.databricks.com"
	u, err := s.Add(&source{host: second, token: "second-token"})
	require.NoError(t, err)
	other, err := url.Parse(u.Reveal())
	require.NoError(t, err)

	status, body, _ := s.get(t, func(r *http.Request) { r.URL = other; r.Header.Set("X-Databricks-Host", second) })
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, "second-token", body["access_token"])
	status, _, _ = s.get(t, func(r *http.Request) { r.URL = other })
	require.Equal(t, http.StatusBadRequest, status)
	status, body, _ = s.get(t, func(*http.Request) {})
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, "secret-token", body["access_token"])
}

func TestLoopbackOnly(t *testing.T) {
	for _, address := range []string{"0.0.0.0:0", ":0", "[::]:0", "[::1]:0", "192.0.2.1:0", "127.0.0.2:0", "example.com:0", "localhost"} {
		l, err := metadata.Listen(t.Context(), address)
		require.Error(t, err, address)
		require.Nil(t, l)
	}
	for _, addr := range []net.Addr{
		&net.TCPAddr{IP: net.IPv4zero, Port: 1}, &net.TCPAddr{IP: net.IPv6loopback, Port: 1}, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)},
		&net.UnixAddr{Name: "/tmp/x"}, &net.TCPAddr{Port: 1},
	} {
		_, err := metadata.NewServer(addr, metadata.Options{})
		require.Error(t, err, addr)
	}
	s, err := metadata.NewServer(&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1}, metadata.Options{})
	require.NoError(t, err)
	_, err = s.Add(nil)
	require.Error(t, err)
	_, err = s.Add(&source{host: "http://not-loopback.example"})
	require.Error(t, err)
}

// Whatever arrives, a 200 goes only to the one right request, and whatever is
// answered is JSON.
func FuzzServeHTTP(f *testing.F) {
	addr := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 4711}
	s, err := metadata.NewServer(addr, metadata.Options{InsecureAnyUser: true}) // there is no connection
	require.NoError(f, err)
	u, err := s.Add(&source{host: workspace, token: "secret-token"})
	require.NoError(f, err)
	path := strings.TrimPrefix(u.Reveal(), "http://127.0.0.1:4711")

	const right = "PATH" // stands for the path, which the corpus cannot know
	f.Add("GET", "127.0.0.1:4711", right, "1", workspace)
	f.Add("GET", "localhost:4711", right+"/", "1", workspace+"/")
	f.Add("OPTIONS", "localhost:4711", right, "1", workspace)
	f.Add("GET", "evil.example:4711", right, "1", workspace)
	f.Add("GET", "localhost:4711", "/", "1", workspace)
	f.Add("GET", "localhost:4711", right, "01", workspace)
	f.Add("GET", "localhost:4711", right, "1", "https://dbc-2.cloud.databricks.com")
	f.Fuzz(func(t *testing.T, method, host, at, version, workspaceHost string) {
		at = strings.Replace(at, right, path, 1)
		r := &http.Request{Method: method, Host: host, URL: &url.URL{Path: at}, Header: http.Header{
			"X-Databricks-Metadata-Version": {version}, "X-Databricks-Host": {workspaceHost},
		}}
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		var body map[string]any
		require.NoError(t, json.Unmarshal(w.Body.Bytes(), &body))
		if w.Code != http.StatusOK {
			require.NotContains(t, w.Body.String(), "secret-token")
			require.NotContains(t, w.Body.String(), path)
			require.NotEmpty(t, body["error"])
			return
		}
		require.Equal(t, "GET", method)
		require.Contains(t, []string{"127.0.0.1:4711", "localhost:4711"}, host)
		require.Contains(t, []string{path, path + "/"}, at)
		require.Equal(t, "1", version)
		require.Contains(t, strings.ToLower(workspaceHost), strings.TrimPrefix(workspace, "https://"))
		require.Equal(t, "secret-token", body["access_token"])
	})
}
