package remote_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/authenticator"
	"github.com/lakekey/lakekey/authenticator/remote"
	"github.com/lakekey/lakekey/authenticator/softkey"
)

const (
	origin  = "https://login.example.org"
	rpID    = "example.org"
	creates = `{"rp":{"id":"example.org","name":"Example"},"user":{"id":"dXNlci0x","name":"ada@example.org","displayName":"Ada"},
		"challenge":"MDEyMzQ1Njc4OWFiY2RlZg","pubKeyCredParams":[{"type":"public-key","alg":-7}],"authenticatorSelection":{"residentKey":"required"}}`
	gets = `{"rpId":"example.org","challenge":"ZmVkY2JhOTg3NjU0MzIxMA"}`
)

// keyFunc is a key in a function.
type keyFunc func(ctx context.Context, create bool, origin string, options []byte) ([]byte, error)

func (f keyFunc) Create(ctx context.Context, origin string, options []byte) ([]byte, error) {
	return f(ctx, true, origin, options)
}

func (f keyFunc) Get(ctx context.Context, origin string, options []byte) ([]byte, error) {
	return f(ctx, false, origin, options)
}

// untouched waits for a touch that never comes.
func untouched(ctx context.Context, _ bool, _ string, _ []byte) ([]byte, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func answering(context.Context, bool, string, []byte) ([]byte, error) { return []byte("{}"), nil }

type approverFunc func(ctx context.Context, r remote.Request) error

func (f approverFunc) Approve(ctx context.Context, r remote.Request) error { return f(ctx, r) }

func yes(context.Context, remote.Request) error { return nil }

func newServer(t testing.TB, key remote.Key, approve approverFunc, o remote.ServerOptions) *remote.Server {
	t.Helper()
	if o.RPIDs == nil {
		o.RPIDs = []string{rpID}
	}
	s, err := remote.NewServer(key, approve, o)
	require.NoError(t, err)
	return s
}

// pipe serves one connection in memory, which testing/synctest understands.
func pipe(t testing.TB, s *remote.Server) net.Conn {
	near, far := net.Pipe()
	go s.Converse(t.Context(), far)
	t.Cleanup(func() { near.Close() })
	return near
}

// socketPath is short: t.TempDir names a test, and a socket has 103 bytes.
func socketPath(t testing.TB) string {
	dir, err := os.MkdirTemp("", "lk")
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	return filepath.Join(dir, "key.sock")
}

func listen(t testing.TB) *remote.Listener {
	t.Helper()
	l, err := remote.Listen(socketPath(t))
	if errors.Is(err, errors.ErrUnsupported) {
		t.Skipf("nothing over a socket is tested here: %v", err)
	}
	require.NoError(t, err)
	return l
}

// serve serves on a socket until the test ends.
func serve(t testing.TB, s *remote.Server) string {
	t.Helper()
	l := listen(t)
	path := l.Path()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done)
		require.NoFileExists(t, path)
	})
	return path
}

func dial(t testing.TB, path string) *remote.Client {
	t.Helper()
	c, err := remote.Dial(t.Context(), path, remote.Options{Host: "build-7.example"})
	require.NoError(t, err)
	return c
}

// softClient is a Client over a software key with a PIN that its UI knows.
func softClient(t testing.TB, o softkey.Options) (*authenticator.Client, *softkey.Key) {
	t.Helper()
	o.PIN = []byte("lakekey-pin")
	key, err := softkey.New(o)
	require.NoError(t, err)
	t.Cleanup(func() { key.Close() })
	device := authenticator.NewCTAP2(key, authenticator.Descriptor{Product: "software key"})
	return authenticator.NewClient(authenticator.Devices(device), authenticator.Options{UI: typist{}}), key
}

// typist is a UI that knows the PIN.
type typist struct{}

func (typist) Touch(context.Context, authenticator.Prompt) (func(), error)  { return nil, nil }
func (typist) Verify(context.Context, authenticator.Prompt) (func(), error) { return nil, nil }
func (typist) PIN(context.Context, authenticator.PINPrompt) ([]byte, error) {
	return []byte("lakekey-pin"), nil
}
func (typist) ChooseAccount(context.Context, string, []authenticator.User) (int, error) {
	return 0, nil
}
func (typist) Insert(context.Context) error { return authenticator.ErrNoDevice }

// signedFor returns the clientDataJSON of a response.
func signedFor(t testing.TB, response []byte) (id, clientData string) {
	t.Helper()
	var o struct {
		ID       string
		Response struct{ ClientDataJSON string }
	}
	require.NoError(t, json.Unmarshal(response, &o))
	raw, err := base64.RawURLEncoding.DecodeString(o.Response.ClientDataJSON)
	require.NoError(t, err)
	return o.ID, string(raw)
}
