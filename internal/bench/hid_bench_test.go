//go:build linux

package bench

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"testing"
	"time"

	"github.com/lakekey/lakekey/authenticator"
	"github.com/lakekey/lakekey/authenticator/hid"
	"github.com/lakekey/lakekey/authenticator/softkey"
)

// ptyKey is a key behind a pseudo-terminal, held open.
func ptyKey(b *testing.B) *hid.Transport {
	b.Helper()
	key, err := softkey.New(softkey.Options{})
	if err != nil {
		b.Fatal(err)
	}
	port, err := key.PlugPTY()
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = port.Unplug() })
	transport, err := hid.Open(context.Background(), port.Path())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = transport.Close() })
	return transport
}

// signFloor is what the signature of an assertion alone takes here and now.
func signFloor(b *testing.B) time.Duration {
	b.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	digest := sha256.Sum256([]byte("floor"))
	const rounds = 2000
	start := time.Now()
	for range rounds {
		if _, err := ecdsa.SignASN1(rand.Reader, key, digest[:]); err != nil {
			b.Fatal(err)
		}
	}
	return time.Since(start) / rounds
}

// One assertion: the request to a key that is held open, its signature, the answer. The
// allocations are those of the key and of the client together.
func BenchmarkHIDAssertion(b *testing.B) {
	floor := signFloor(b)
	device := authenticator.NewCTAP2(ptyKey(b), authenticator.Descriptor{})
	ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
	defer cancel()
	hash := sha256.Sum256([]byte("client data"))
	made, err := device.MakeCredential(ctx, &authenticator.MakeCredentialRequest{
		ClientDataHash: hash[:], RPID: "example.com",
		User: authenticator.User{ID: []byte("user"), Name: "user"}, Algorithms: []int{-7},
	})
	if err != nil {
		b.Fatal(err)
	}
	request := &authenticator.GetAssertionRequest{ClientDataHash: hash[:], RPID: "example.com", Allow: [][]byte{made.CredentialID}}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := device.GetAssertion(ctx, request); err != nil {
			b.Fatal(err)
		}
	}
	each := b.Elapsed() / time.Duration(b.N)
	floor = (floor + signFloor(b)) / 2
	b.ReportMetric(float64(each)/float64(floor), "x-floor")
}

// The transport alone, there and back: one frame each way.
func BenchmarkHIDPing(b *testing.B) {
	transport := ptyKey(b)
	ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
	defer cancel()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := transport.Ping(ctx, []byte{1}); err != nil {
			b.Fatal(err)
		}
	}
}

// The longest message, 129 frames each way.
func BenchmarkHIDLongestMessage(b *testing.B) {
	transport := ptyKey(b)
	ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
	defer cancel()
	message := make([]byte, 7609)
	b.SetBytes(2 * int64(len(message)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := transport.Ping(ctx, message); err != nil {
			b.Fatal(err)
		}
	}
}
