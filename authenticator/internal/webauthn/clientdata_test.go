package webauthn_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/authenticator/internal/webauthn"
)

// expect: the bytes of https://www.w3.org/TR/webauthn-3/#clientdatajson-serialization
func TestClientDataJSON(t *testing.T) {
	for _, tc := range []struct{ kind, origin, want string }{
		{"webauthn.create", "https://example.org", `{"type":"webauthn.create","challenge":"AAEC-_8","origin":"https://example.org","crossOrigin":false}`},
		{"webauthn.get", "http://localhost:8080", `{"type":"webauthn.get","challenge":"AAEC-_8","origin":"http://localhost:8080","crossOrigin":false}`},
		// What encoding/json would escape, or escape otherwise.
		{"webauthn.get", "a<b>&c\u2028é\u007f", "{\"type\":\"webauthn.get\",\"challenge\":\"AAEC-_8\",\"origin\":\"a<b>&c\u2028é\u007f\",\"crossOrigin\":false}"},
		{"webauthn.get", "q\"b\\n\nt\tz\x00u\x1f", `{"type":"webauthn.get","challenge":"AAEC-_8","origin":"q\"b\\n\u000at\u0009z\u0000u\u001f","crossOrigin":false}`},
	} {
		got := webauthn.ClientDataJSON(tc.kind, []byte{0, 1, 2, 0xfb, 0xff}, tc.origin)
		require.Equal(t, tc.want, string(got))
		var parsed struct{ Origin string }
		require.NoError(t, json.Unmarshal(got, &parsed), "it is JSON all the same")
		require.Equal(t, tc.origin, parsed.Origin)
	}
}
