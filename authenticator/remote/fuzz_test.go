package remote_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/lakekey/lakekey/authenticator"
	"github.com/lakekey/lakekey/authenticator/internal/webauthn"
	"github.com/lakekey/lakekey/authenticator/remote"
)

func seeds() [][]byte {
	return [][]byte{
		remote.Hello(1, "host"), remote.Asking(true, origin, []byte(creates)), remote.Cancel(), remote.Alive(), remote.Result([]byte("{}")),
		remote.Failure(&authenticator.PINError{Retries: -1, Status: 0x31}), remote.Failure(errors.New("text")),
		append(remote.Hello(1, "host"), remote.Asking(false, origin, []byte(gets))...),
		append(remote.Hello(1, ""), remote.Result([]byte("{}"))...),
		{0, 1, 0, 1}, {0xff, 0xff, 0xff, 0xff}, {0, 0, 0, 1, 0x9f},
	}
}

// A frame is refused, or has exactly one spelling: the bytes that were read.
func FuzzFrame(f *testing.F) {
	for _, s := range seeds() {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		again, read, err := remote.Reread(data)
		if err != nil {
			if again != nil {
				t.Fatalf("%q with error %v", again, err)
			}
			return
		}
		if !bytes.Equal(again, data[:read]) || read > remote.MaxFrame+4 {
			t.Fatalf("read %x, spelled again %x", data[:read], again)
		}
	})
}

// Whatever an asker sends: the conversation ends with its connection, and the key
// is woken for what is on the list only.
func FuzzServer(f *testing.F) {
	for _, s := range seeds() {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		key := keyFunc(func(_ context.Context, create bool, origin string, options []byte) ([]byte, error) {
			got, err := webauthn.ReadRequest(origin, options)
			if err != nil || create || got.RPID != rpID || got.Origin != origin {
				t.Errorf("woken for %q %q: %v", origin, options, err)
			}
			return []byte("{}"), nil
		})
		near, far := net.Pipe()
		done := make(chan struct{})
		server := newServer(t, key, yes, remote.ServerOptions{})
		go func() {
			defer close(done)
			server.Converse(context.Background(), far)
		}()
		go io.Copy(io.Discard, near)
		near.Write(data)
		near.Close()
		<-done
	})
}

// Whatever the machine with the key sends: a response or an error, never both.
func FuzzClient(f *testing.F) {
	for _, s := range seeds() {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		near, far := net.Pipe()
		go io.Copy(io.Discard, far)
		go func() {
			far.Write(data)
			far.Close()
		}()
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		response, err := remote.Ask(ctx, near, "host", false, origin, []byte(gets))
		if err != nil && (response != nil || err.Error() == "") {
			t.Fatalf("response %q with error %v", response, err)
		}
	})
}
