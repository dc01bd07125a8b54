package caep_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/oidc/caep"
)

// FuzzReceive: whatever arrives, no session ends but by what the transmitter has
// signed.
func FuzzReceive(f *testing.F) {
	x := newTransmitter(f)
	thief, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(f, err)
	good := x.token(nil, nil, es256(f, thief))
	f.Add(good)
	f.Add(x.token(map[string]any{"alg": "none"}, nil, func(string) []byte { return nil }))
	f.Add(strings.Repeat("e30.", 3))
	h := x.receiver()
	f.Fuzz(func(t *testing.T, token string) {
		code, said := h.push(token)
		require.Equal(t, 400, code)
		require.NotEmpty(t, said)
		require.Empty(t, h.events)
	})
}

// FuzzClaims: claims that are taken name somebody in every event, and are the only
// ones of their name.
func FuzzClaims(f *testing.F) {
	f.Add(`{"iss":"i","jti":"j","aud":["a"],"iat":1,"sub_id":{"format":"email","email":"a@b"},"events":{"` + string(caep.SessionRevoked) + `":{}}}`)
	f.Add(`{"events":{"` + string(caep.CredentialChange) + `":{"subject":{"user":{"format":"iss_sub","iss":"i","sub":"s"}}}}}`)
	f.Add(`{"events":{}}`)
	f.Fuzz(func(t *testing.T, payload string) {
		events, err := caep.ParseClaims([]byte(payload))
		if err != nil {
			require.Empty(t, events)
			return
		}
		for _, e := range events {
			require.True(t, e.Subject.Email != "" || e.Subject.ID != "" || e.Subject.Session != "")
			require.Contains(t, []caep.Kind{caep.SessionRevoked, caep.CredentialChange}, e.Kind)
		}
	})
}

// FuzzKeys: keys that are taken are public ones that can be used, under their IDs.
func FuzzKeys(f *testing.F) {
	f.Add(`{"keys":[{"kty":"EC","crv":"P-256","kid":"1","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}`)
	f.Add(`{"keys":[]}`)
	f.Fuzz(func(t *testing.T, set string) {
		keys, err := caep.ParseKeys([]byte(set))
		require.True(t, err == nil || keys == nil)
		for kid, key := range keys {
			require.True(t, kid != "" && key.KeyID == kid && key.IsPublic())
		}
	})
}
