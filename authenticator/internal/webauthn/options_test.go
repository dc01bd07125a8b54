package webauthn_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/authenticator/internal/webauthn"
)

const (
	origin   = "https://login.example.org"
	creation = `{"rp":{"id":"example.org","name":"Example"},"user":{"id":"dXNlci0x","name":"ada","displayName":"Ada"},"challenge":"MDEyMzQ1Njc4OWFiY2RlZg"}`
	request  = `{"rpId":"example.org","challenge":"ZmVkY2JhOTg3NjU0MzIxMA"}`
)

func TestReadCreation(t *testing.T) {
	c, err := webauthn.ReadCreation("HTTPS://Login.Example.org:443", []byte(creation))
	require.NoError(t, err)
	require.Equal(t, webauthn.ClientData{RPID: "example.org", Origin: origin, JSON: []byte(`{"type":"webauthn.create","challenge":"MDEyMzQ1Njc4OWFiY2RlZg","origin":"https://login.example.org","crossOrigin":false}`)}, c.ClientData)
	require.Equal(t, []int{-7, -257}, c.Algorithms)
	require.Equal(t, "user-1", string(c.Options.User.ID))
	require.Equal(t, 5*time.Minute, c.Timeout)

	c, err = webauthn.ReadCreation(origin, []byte(`{"publicKey":`+creation[:len(creation)-1]+`,"timeout":1,
		"pubKeyCredParams":[{"type":"other","alg":-8},{"type":"public-key","alg":-7}],
		"excludeCredentials":[{"type":"other","id":"AAAA"},{"type":"public-key","id":"AQ"}]}}`))
	require.NoError(t, err)
	require.Equal(t, []int{-7}, c.Algorithms)
	require.Equal(t, [][]byte{{1}}, c.Exclude)
	require.Equal(t, 15*time.Second, c.Timeout)

	c, err = webauthn.ReadCreation(origin, []byte(creation[:len(creation)-1]+`,"pubKeyCredParams":[{"type":"other","alg":-8}]}`))
	require.NoError(t, err)
	require.Empty(t, c.Algorithms, "a list in which nothing is known is not no list")
}

func TestReadRequest(t *testing.T) {
	r, err := webauthn.ReadRequest("https://sso.example.org", []byte(`{"publicKey":{"challenge":"AAAA","timeout":1e9}}`))
	require.NoError(t, err)
	require.Equal(t, "sso.example.org", r.RPID, "an RP ID that is left out is the origin's host")
	require.Equal(t, 10*time.Minute, r.Timeout)
	require.False(t, r.NoneUsable)
	r, err = webauthn.ReadRequest(origin, []byte(`{"challenge":"AAAA","allowCredentials":[{"type":"other","id":"AAAA"}]}`))
	require.NoError(t, err)
	require.Empty(t, r.Allow)
	require.True(t, r.NoneUsable)
}

func TestOptionsRefused(t *testing.T) {
	for _, options := range []string{"", "{}", `{"rpId":"example.org"}`, `{"challenge":"="}`, `{"challenge":"AAAA"} x`, `{"challenge":"AAAA","allowCredentials":[{"type":"public-key"}]}`} {
		r, err := webauthn.ReadRequest(origin, []byte(options))
		require.Error(t, err, options)
		require.Nil(t, r)
		c, err := webauthn.ReadCreation(origin, []byte(options))
		require.Error(t, err, options)
		require.Nil(t, c)
	}
	r, err := webauthn.ReadRequest("https://example.org.evil.example", []byte(request))
	require.ErrorIs(t, err, webauthn.ErrOrigin)
	require.Nil(t, r)
}

// FuzzOptions: something or an error, never both, and what is read is usable.
func FuzzOptions(f *testing.F) {
	f.Add([]byte(creation))
	f.Add([]byte(request))
	f.Add([]byte(`{"publicKey":{"challenge":"AA","timeout":1e999}}`))
	f.Add([]byte(`{"publicKey":null}`))
	f.Add([]byte(`{"challenge":"AAAA","allowCredentials":[{"type":"public-key","id":"AQ"}],"user":{"id":"AQ"},"timeout":-1}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := webauthn.ReadCreation(origin, data)
		if (err == nil) != (c != nil) {
			t.Fatalf("%v with error %v", c, err)
		}
		r, err := webauthn.ReadRequest(origin, data)
		if (err == nil) != (r != nil) {
			t.Fatalf("%v with error %v", r, err)
		}
		if r != nil && (r.Timeout < 15*time.Second || r.Timeout > 10*time.Minute || len(r.Options.Challenge) == 0 || r.RPID == "") {
			t.Fatalf("%+v", r)
		}
	})
}
