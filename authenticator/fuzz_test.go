package authenticator_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/authenticator"
	"github.com/lakekey/lakekey/authenticator/softkey"
)

// recorded are the answers of a key to a few ceremonies, the seeds of the fuzzer.
func recorded(f *testing.F) (answers [][]byte) {
	key := newKey(f, softkey.Options{PIN: []byte("1234")})
	client := clientOf(&person{pin: "1234"}, tamper{key, func(_ byte, response []byte) []byte {
		answers = append(answers, response[1:])
		return response
	}})
	for range 2 {
		_, err := client.Create(f.Context(), example.origin, example.creation(with("user.id", b64([]byte{byte(len(answers))}))))
		require.NoError(f, err)
	}
	_, err := client.Get(f.Context(), example.origin, example.request())
	require.NoError(f, err)
	return answers
}

// Whatever a key answers: no panic, and a failed parse returns nothing.
func FuzzResponses(f *testing.F) {
	for _, answer := range recorded(f) {
		f.Add(answer)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if partial := authenticator.ParseResponses(data); partial != nil {
			t.Fatalf("a failed parse returned something: %v", partial)
		}
	})
}

// The same through the front door: a whole ceremony with a key that answers the same
// bytes to everything but the question what it is.
func FuzzCeremony(f *testing.F) {
	for _, answer := range recorded(f) {
		f.Add(byte(0), answer)
	}
	f.Add(byte(0x2D), []byte{})
	info := must(newKey(f, softkey.Options{}).CBOR(context.Background(), []byte{4}))
	f.Fuzz(func(t *testing.T, status byte, data []byte) {
		client := clientOf(nil, transportFunc(func(_ context.Context, msg []byte) ([]byte, error) {
			if msg[0] == 4 {
				return info, nil
			}
			return append([]byte{status}, data...), nil
		}))
		for _, run := range []func() ([]byte, error){
			func() ([]byte, error) { return client.Get(t.Context(), example.origin, example.request()) },
			func() ([]byte, error) { return client.Create(t.Context(), example.origin, example.creation()) },
		} {
			response, err := run()
			if (err == nil) == (response == nil) {
				t.Fatalf("response %q with error %v", response, err)
			}
		}
	})
}
