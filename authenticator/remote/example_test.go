//go:build linux || darwin || freebsd

package remote_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/lakekey/lakekey/authenticator"
	"github.com/lakekey/lakekey/authenticator/remote"
	"github.com/lakekey/lakekey/authenticator/softkey"
)

// notice shows who asks. The touch that follows is the answer.
type notice struct{}

func (notice) Approve(_ context.Context, r remote.Request) error {
	fmt.Printf("a program that claims to run on %s wants to use your key for %s\n", r.ClaimedHost, r.RPID)
	return nil
}

// Both ends of a forwarded key. In between there would be ssh -R.
func Example() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	dir, err := os.MkdirTemp("", "lakekey")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)

	// Beside the key.
	key, err := softkey.New(softkey.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	device := authenticator.NewCTAP2(key, authenticator.Descriptor{Product: "software key"})
	client := authenticator.NewClient(authenticator.Devices(device), authenticator.Options{})
	server, err := remote.NewServer(client, notice{}, remote.ServerOptions{RPIDs: []string{"example.org"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	socket, err := remote.Listen(filepath.Join(dir, "key.sock"))
	if err != nil {
		fmt.Println(err)
		return
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(ctx, socket) }()

	// Where the program runs.
	far, err := remote.Dial(ctx, socket.Path(), remote.Options{Host: "build-7"})
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = far.Get(ctx, "https://example.org", []byte(`{"rpId":"example.org","challenge":"ZmVkY2JhOTg3NjU0MzIxMA"}`))
	fmt.Println("not registered there:", errors.Is(err, authenticator.ErrNoCredentials))
	cancel()
	fmt.Println(<-served)
	// Output:
	// a program that claims to run on build-7 wants to use your key for example.org
	// not registered there: true
	// <nil>
}
