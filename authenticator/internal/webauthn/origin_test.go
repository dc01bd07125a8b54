package webauthn_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/authenticator/internal/webauthn"
)

// checkRPID tells who may ask for what.
func checkRPID(origin, rpID string) (serialized, effective string, err error) {
	options, err := json.Marshal(map[string]string{"rpId": rpID, "challenge": "AAAA"})
	if err != nil {
		return "", "", err
	}
	r, err := webauthn.ReadRequest(origin, options)
	if err != nil {
		return "", "", err
	}
	return r.Origin, r.RPID, nil
}

func TestOriginAndRPID(t *testing.T) {
	for _, tc := range []struct {
		origin, rpID string
		want         string // the effective RP ID; "": refused
		serialized   string // "": the origin as it is
	}{
		{origin: "https://example.org", rpID: "example.org", want: "example.org"},
		{origin: "https://example.org", rpID: "", want: "example.org"},
		{origin: "https://login.example.org", rpID: "example.org", want: "example.org"},
		{origin: "https://a.b.example.org", rpID: "b.example.org", want: "b.example.org"},
		{origin: "https://example.org:8443", rpID: "example.org", want: "example.org"},
		{origin: "https://example.org:443", rpID: "example.org", want: "example.org", serialized: "https://example.org"},
		{origin: "HTTPS://EXAMPLE.org", rpID: "example.org", want: "example.org", serialized: "https://example.org"},
		{origin: "https://bücher.example", rpID: "xn--bcher-kva.example", want: "xn--bcher-kva.example", serialized: "https://xn--bcher-kva.example"},
		{origin: "https://shop.example.co.uk", rpID: "example.co.uk", want: "example.co.uk"},
		{origin: "https://someone.github.io", rpID: "someone.github.io", want: "someone.github.io"},

		{origin: "http://localhost", rpID: "localhost", want: "localhost"},
		{origin: "http://localhost:8080", rpID: "", want: "localhost"},
		{origin: "http://localhost:80", rpID: "localhost", want: "localhost", serialized: "http://localhost"},
		{origin: "http://app.localhost:8080", rpID: "app.localhost", want: "app.localhost"},
		{origin: "https://localhost", rpID: "localhost", want: "localhost"},

		// Other people's names.
		{origin: "https://evil.example.org", rpID: "example.com"},
		{origin: "https://example.com.evil.org", rpID: "example.com"},
		{origin: "https://evilexample.org", rpID: "example.org"},
		{origin: "https://example.org", rpID: "login.example.org"},
		{origin: "https://example.org", rpID: "ample.org"},
		{origin: "https://example.org.", rpID: "example.org"},
		{origin: "https://example.org", rpID: "example.org."},
		{origin: "https://example.org", rpID: ".example.org"},
		// What strangers share.
		{origin: "https://example.co.uk", rpID: "co.uk"},
		{origin: "https://example.co.uk", rpID: "uk"},
		{origin: "https://example.org", rpID: "org"},
		{origin: "https://someone.github.io", rpID: "github.io"},
		{origin: "http://app.localhost", rpID: "localhost"},
		// Another spelling of the same name is another RP ID to a key.
		{origin: "https://example.org", rpID: "Example.org"},
		{origin: "https://bücher.example", rpID: "bücher.example"},
		// Addresses.
		{origin: "https://192.0.2.1", rpID: "192.0.2.1"},
		{origin: "http://127.0.0.1:8080", rpID: "127.0.0.1"},
		{origin: "http://127.0.0.1:8080", rpID: ""},
		{origin: "http://127.0.0.1:8080", rpID: "localhost"},
		{origin: "https://[::1]", rpID: "::1"},
		{origin: "https://[::1]", rpID: "[::1]"},
		{origin: "https://192.0.2.1", rpID: "2.1"},
		{origin: "https://1.2.3", rpID: "1.2.3"},
		{origin: "https://2130706433", rpID: ""},
		// Not a secure context.
		{origin: "http://example.org", rpID: "example.org"},
		{origin: "http://localhost.example.org", rpID: "localhost.example.org"},
		{origin: "http://notlocalhost", rpID: "notlocalhost"},
		{origin: "ftp://example.org", rpID: "example.org"},
		{origin: "android:apk-key-hash:AAAA", rpID: "example.org"},
		// Not an origin.
		{origin: "", rpID: "example.org"},
		{origin: "example.org", rpID: "example.org"},
		{origin: "null", rpID: "example.org"},
		{origin: "https://", rpID: "example.org"},
		{origin: "https://example.org/", rpID: "example.org"},
		{origin: "https://example.org/path", rpID: "example.org"},
		{origin: "https://example.org?q", rpID: "example.org"},
		{origin: "https://example.org?", rpID: "example.org"},
		{origin: "https://example.org#", rpID: "example.org"},
		{origin: "https://user@example.org", rpID: "example.org"},
		{origin: "https://example.org:", rpID: "example.org"},
		{origin: "https://example.org:99999", rpID: "example.org"},
		{origin: "https://example.org@evil.org", rpID: "example.org"},
		{origin: "https://exa mple.org", rpID: "example.org"},
		{origin: "https://example.org\\.evil.org", rpID: "example.org"},
	} {
		t.Run(tc.origin+" for "+tc.rpID, func(t *testing.T) {
			serialized, rpID, err := checkRPID(tc.origin, tc.rpID)
			if tc.want == "" {
				require.ErrorIs(t, err, webauthn.ErrOrigin)
				return
			}
			require.NoError(t, err)
			require.Equal(t, tc.want, rpID)
			if tc.serialized == "" {
				tc.serialized = tc.origin
			}
			require.Equal(t, tc.serialized, serialized)
		})
	}
}

func FuzzOrigin(f *testing.F) {
	f.Add("https://login.example.org:8443", "example.org")
	f.Add("http://localhost", "localhost")
	f.Add("https://[::1]", "1")
	f.Add("https://ｅxample.org", "example.org")
	f.Fuzz(func(t *testing.T, originText, rpID string) {
		serialized, effective, err := checkRPID(originText, rpID)
		if err != nil {
			return
		}
		// Whatever is accepted is a name at or above the host that gets serialised,
		// at a label boundary, and serialising again changes nothing.
		_, hostPort, _ := strings.Cut(serialized, "://")
		host, _, _ := strings.Cut(hostPort, ":")
		if host != effective && !strings.HasSuffix(host, "."+effective) {
			t.Fatalf("%q may use %q", serialized, effective)
		}
		again, _, err := checkRPID(serialized, effective)
		if err != nil || again != serialized {
			t.Fatalf("%q became %q, %v", serialized, again, err)
		}
	})
}
