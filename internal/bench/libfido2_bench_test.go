//go:build libfido2 && cgo && linux

package bench

import (
	"context"
	"crypto/sha256"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/authenticator"
	"github.com/lakekey/lakekey/authenticator/authenticatortest"
	"github.com/lakekey/lakekey/authenticator/hid"
	"github.com/lakekey/lakekey/authenticator/libfido2"
	"github.com/lakekey/lakekey/authenticator/softkey"
)

// BenchmarkAssertionByBackend signs by turns through hid, which holds the key open,
// and through libfido2, which opens it for each command, with one software key on one
// pseudo-terminal each. Reported are the time of one assertion, and hid's as a part of
// libfido2's.
func BenchmarkAssertionByBackend(b *testing.B) {
	ctx := context.Background()
	hash := sha256.Sum256([]byte("benchmark"))
	newKey := func() (string, *softkey.Key) {
		key, err := softkey.New(softkey.Options{})
		require.NoError(b, err)
		return authenticatortest.Plug(b, key).Path, key
	}
	register := func(d authenticator.Device) *authenticator.GetAssertionRequest {
		made, err := d.MakeCredential(ctx, &authenticator.MakeCredentialRequest{
			ClientDataHash: hash[:],
			RPID:           "example.org",
			User:           authenticator.User{ID: []byte{1}, Name: "alice"},
			Algorithms:     []int{-7},
		})
		require.NoError(b, err)
		return &authenticator.GetAssertionRequest{ClientDataHash: hash[:], RPID: "example.org", Allow: [][]byte{made.CredentialID}}
	}
	path, _ := newKey()
	devices, err := hid.NewSource(hid.Options{Paths: []string{path}}).Devices(ctx)
	require.NoError(b, err)
	require.Len(b, devices, 1)
	pure := devices[0]
	path, _ = newKey()
	source, err := libfido2.NewSource()
	require.NoError(b, err)
	wrapped, err := source.Open(path)
	require.NoError(b, err)

	pureRequest, wrappedRequest := register(pure), register(wrapped)
	var pureTime, wrappedTime time.Duration
	sign := func(d authenticator.Device, req *authenticator.GetAssertionRequest) time.Duration {
		start := time.Now()
		_, err := d.GetAssertion(ctx, req)
		took := time.Since(start)
		if err != nil {
			b.Fatal(err)
		}
		return took
	}
	for b.Loop() {
		pureTime += sign(pure, pureRequest)
		wrappedTime += sign(wrapped, wrappedRequest)
	}
	n := float64(b.N)
	b.ReportMetric(float64(pureTime.Microseconds())/n, "hid-µs/op")
	b.ReportMetric(float64(wrappedTime.Microseconds())/n, "libfido2-µs/op")
	b.ReportMetric(float64(pureTime)/float64(wrappedTime), "hid/libfido2")
	require.NoError(b, pure.Close())
	require.NoError(b, wrapped.Close())
}
