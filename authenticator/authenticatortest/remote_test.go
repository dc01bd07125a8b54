//go:build linux || darwin || freebsd

package authenticatortest_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/authenticator"
	"github.com/lakekey/lakekey/authenticator/authenticatortest"
	"github.com/lakekey/lakekey/authenticator/remote"
)

// agreeable lets everybody ask.
type agreeable struct{}

func (agreeable) Approve(context.Context, remote.Request) error { return nil }

// overSocket uses keys beside another process' Server: a socket, the protocol, and
// the person at the far end of both.
func overSocket(t testing.TB, ui authenticator.UI, keys ...authenticator.Transport) authenticatortest.Ceremonies {
	server, err := remote.NewServer(overSoftware(t, ui, keys...), agreeable{}, remote.ServerOptions{
		RPIDs: []string{"example.org", "login.example.org"}, AllowCreate: true,
	})
	require.NoError(t, err)
	dir, err := os.MkdirTemp("", "lk") // t.TempDir is too long for a socket
	require.NoError(t, err)
	l, err := remote.Listen(filepath.Join(dir, "key.sock"))
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- server.Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-served)
		os.RemoveAll(dir)
	})
	client, err := remote.Dial(ctx, l.Path(), remote.Options{Host: "server.example"})
	require.NoError(t, err)
	return client
}

func TestClientOverRemote(t *testing.T) {
	authenticatortest.TestClient(t, overSocket, []authenticatortest.Departure{
		{Row: "PIN that the person does not tell", Reason: "of what a UI beside the key returns, the text travels and not the value", Says: "error asking the remote key: asking for the PIN: "},
		{Row: "a second request waits for the first", Reason: "in a queue, the touch meant for one prompt would answer the next", Says: "the key is busy with another request, want context deadline exceeded"},
		{Row: "a refusal at the key", Reason: "a no lasts: nobody is prompted again at once", Says: "denied beside the key a moment ago: it may be asked again in"},
	}...)
}
