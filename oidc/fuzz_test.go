package oidc_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/oidc"
	"github.com/lakekey/lakekey/oidc/oidctest"
)

// What is accepted must mean the same to encoding/json, which other readers of
// the same bytes use.
func FuzzParseObject(f *testing.F) {
	for _, s := range []string{`{}`, `{"a":1}`, `{"a":1,"a":2}`, `{"a":{"b":1,"b":2}}`, `{"a":[{"b":[[]]}],"c":null}`, `{"\u0061":1,"a":2}`, "{\"a\xff\":1}", `[]`, `{"a":1}x`, ` {"a" : "b"} `} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		got, err := oidc.ParseObject(in)
		var want map[string]json.RawMessage
		wantErr := json.Unmarshal(in, &want)
		if err != nil {
			require.Nil(t, got, "a failed parse returned something")
			return
		}
		require.NoError(t, wantErr)
		require.Len(t, got, len(want))
		for name, raw := range want {
			require.Equal(t, string(raw), string(got[name]))
		}
	})
}

func FuzzParseKeys(f *testing.F) {
	files, err := filepath.Glob("testdata/jwks/*.json")
	require.NoError(f, err)
	require.NotEmpty(f, files)
	for _, file := range files {
		raw, err := os.ReadFile(file)
		require.NoError(f, err)
		var v struct{ Set json.RawMessage }
		require.NoError(f, json.Unmarshal(raw, &v))
		f.Add([]byte(v.Set))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		list, err := oidc.ParseKeys(in)
		require.Equal(t, err != nil, len(list) == 0)
		require.LessOrEqual(t, len(list), 64)
	})
}

func FuzzParseDiscovery(f *testing.F) {
	f.Add([]byte(`{"issuer":"https://a.example","jwks_uri":"https://a.example/k","token_endpoint":"https://a.example/t"}`))
	f.Add([]byte(`{"issuer":"https://a.example","jwks_uri":"https://a.example:443/k","token_endpoint":"https://a.example@b.example/t"}`))
	f.Add([]byte(`{"issuer":"https://a.example","jwks_uri":"https://a.example\\@b.example/k"}`))
	f.Fuzz(func(t *testing.T, in []byte) {
		endpoints, err := oidc.ParseDiscovery(in, "https://a.example", "https://a.example")
		if err != nil {
			require.Equal(t, []string{"", "", "", ""}, endpoints)
			return
		}
		for _, e := range endpoints {
			if e != "" {
				require.Regexp(t, `(?i)^https://a\.example\.?(:0*443)?([/?]|$)`, e)
			}
		}
	})
}

func FuzzParseChallenge(f *testing.F) {
	f.Add([]byte(`{"error":"insufficient_authorization","auth_session":"s","expires_in":120,"webauthn":{"challenge":"AA"}}`))
	f.Add([]byte(`{"error":"insufficient_authorization","auth_session":"","webauthn":[]}`))
	f.Add([]byte(`{"error":"access_denied"}`))
	f.Fuzz(func(t *testing.T, in []byte) {
		session, options, err := oidc.ParseChallenge(in)
		if err != nil {
			require.True(t, session.IsZero() && options == nil)
			return
		}
		require.False(t, session.IsZero())
		require.True(t, json.Valid(options))
		require.Equal(t, byte('{'), options[0])
	})
}

func FuzzParseGrant(f *testing.F) {
	f.Add([]byte(`{"token_type":"DPoP","id_token":"a.b.c","refresh_token":"r","session_id":"s","session_expires_in":60}`))
	f.Add([]byte(`{"token_type":"dpop","id_token":"a","session_expires_in":"1e9"}`))
	f.Add([]byte(`{"token_type":"Bearer","id_token":"a"}`))
	f.Add([]byte(`{"token_type":"DPoP"}`))
	asked := time.Unix(1_900_000_000, 0)
	f.Fuzz(func(t *testing.T, in []byte) {
		id, ends, err := oidc.ParseGrant(in, asked)
		if err != nil {
			require.True(t, id.IsZero() && ends.IsZero())
			return
		}
		require.True(t, id.IsZero() || json.Valid(in)) // whether one is missing is for whoever asked to know
		require.True(t, ends.IsZero() || ends.After(asked))
	})
}

func FuzzParseToken(f *testing.F) {
	f.Add([]byte(`{"access_token":"a","token_type":"Bearer","expires_in":3600,"scope":"sql"}`))
	f.Add([]byte(`{"access_token":"a","token_type":"bearer","expires_in":"3600"}`))
	f.Add([]byte(`{"access_token":"a","token_type":"Bearer","expires_in":1e400,"scope":"sql all-apis"}`))
	asked := time.Unix(1_900_000_000, 0)
	wanted := []string{"sql", "clusters:read"}
	f.Fuzz(func(t *testing.T, in []byte) {
		token, err := oidc.ParseToken(in, wanted, asked)
		if err != nil {
			require.Nil(t, token)
			return
		}
		require.Subset(t, wanted, token.Scopes)
		require.NotEmpty(t, token.Scopes)
		require.True(t, token.Expires.After(asked))
		require.False(t, strings.ContainsAny(token.Value.Reveal(), "\r\n\t \x00"), "not fit for a header")
		require.NotEmpty(t, token.Value.Reveal())
	})
}

func FuzzCheckHeader(f *testing.F) {
	for _, s := range []string{"eyJhbGciOiJFUzI1NiJ9.e30.AA", "eyJhbGciOiJub25lIn0.e30.", "e30.e30.", "..", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		if oidc.CheckHeader(in) == nil {
			require.Contains(t, in, ".")
			require.NotContains(t, in[:strings.Index(in, ".")], "=")
		}
	})
}

// A token whose claims anyone could have written never becomes a session: what
// the fuzzer invents is signed with the right key, and accepted only with the
// values that were asked for.
func FuzzClaims(f *testing.F) {
	idp, err := oidctest.New(oidctest.Options{})
	require.NoError(f, err)
	p, err := oidc.Discover(f.Context(), local, oidc.Options{Transport: inProcess{idp}})
	require.NoError(f, err)
	f.Add("sub", `"mallory"`)
	f.Add("aud", `["https://workspace.example"]`)
	f.Add("aud", `["https://workspace.example","x"]`)
	f.Add("exp", `1e18`)
	f.Add("acr", `"PHR"`)
	f.Add("azp", `null`)
	f.Add("amr", `[null]`)
	f.Add("nbf", `-1`)
	f.Add("AUTH_TIME", `1`)
	f.Fuzz(func(t *testing.T, name, value string) {
		if !json.Valid([]byte(value)) {
			return
		}
		idp.Rewrite(func(claims map[string]any) { claims[name] = json.RawMessage(value) })
		s, err := oidc.SignIn(t.Context(), p, &oidctest.Key{}, oidc.SignInRequest{ClientID: client, Audience: audience})
		if err != nil {
			require.Nil(t, s)
			require.NotContains(t, err.Error(), "eyJ")
			return
		}
		token, err := s.IDToken(t.Context(), audience)
		require.NoError(t, err)
		require.Equal(t, local, token.Issuer)
		require.Equal(t, audience, token.Audience)
		require.True(t, slices.Contains([]string{"phr", "phrh"}, token.ACR))
		require.NotEmpty(t, token.Subject)
		require.Equal(t, s.Subject(), token.Subject)
		require.WithinDuration(t, time.Now(), token.AuthTime, 2*time.Minute)
		require.True(t, token.Expires.After(time.Now()))
		require.False(t, token.Expires.After(s.Expires().Add(time.Minute)))
		require.Regexp(t, `^[A-Za-z0-9._~-]{1,64}$`, s.ID())
	})
}

// Whatever a server says, an error shows neither what it was sent nor anything
// that moves a terminal's cursor.
func FuzzClean(f *testing.F) {
	f.Add("token eyJhbGciOiJIUzI1NiJ9.e30.x is bad", "s3cret")
	f.Add("\x1b[2J\u202e s3cret s3cret", "s3cret")
	f.Fuzz(func(t *testing.T, text, secret string) {
		got := oidc.Clean(text, secret)
		require.LessOrEqual(t, len(got), 320)
		for _, r := range got {
			require.True(t, 0x20 <= r && r <= 0x7e)
		}
		require.NotContains(t, got, "eyJ")
		if code := oidc.CleanCode(text); code != "" {
			require.Equal(t, text, code)
			require.LessOrEqual(t, len(code), 64)
		}
	})
}

func FuzzRetryAfter(f *testing.F) {
	for _, s := range []string{"", "0", "120", "-1", "99999999999999999999", "Sun, 06 Nov 1994 08:49:37 GMT", "Fri, 31 Dec 9999 23:59:59 GMT"} {
		f.Add(s)
	}
	now := time.Unix(1_900_000_000, 0)
	f.Fuzz(func(t *testing.T, in string) {
		require.GreaterOrEqual(t, oidc.RetryAfter(in, now), time.Duration(0))
	})
}
