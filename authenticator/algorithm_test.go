package authenticator_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"math/big"
	"slices"
	"testing"

	"github.com/fxamacker/cbor/v2"
	"github.com/stretchr/testify/require"
)

// minimalKey is a CTAP 2.0 key that says next to nothing about itself and always
// answers with the same public key.
func minimalKey(cose map[int]any) transportFunc {
	return func(_ context.Context, msg []byte) ([]byte, error) {
		if msg[0] == 0x04 {
			return append([]byte{0}, must(cbor.Marshal(map[int]any{1: []string{"FIDO_2_0"}, 3: make([]byte, 16)}))...), nil
		}
		hash := sha256.Sum256([]byte(example.rpID))
		authData := slices.Concat(hash[:], []byte{0x41, 0, 0, 0, 0}, make([]byte, 16), []byte{0, 2}, []byte("id"), must(cbor.Marshal(cose)))
		return append([]byte{0}, must(cbor.Marshal(map[int]any{1: "packed", 2: authData, 3: map[string]any{"alg": cose[3], "sig": []byte("s"), "x5c": []int{}}}))...), nil
	}
}

// Algorithms beyond those of the software key: their public keys come as DER where
// the client knows them, and pass through where it does not.
func TestOtherAlgorithms(t *testing.T) {
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	require.NoError(t, err)
	point := must(p384.PublicKey.Bytes())
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	short := big.NewInt(1).Lsh(big.NewInt(1), 100).Bytes()
	for _, tc := range []struct {
		name   string
		alg    int
		cose   map[int]any
		public any // nil: not turned into DER
		want   string
	}{
		{name: "ES384", alg: -35, cose: map[int]any{1: 2, 3: -35, -1: 2, -2: point[1:49], -3: point[49:]}, public: &p384.PublicKey},
		{name: "RS256", alg: -257, cose: map[int]any{1: 3, 3: -257, -1: rsaKey.N.Bytes(), -2: []byte{1, 0, 1}}, public: &rsaKey.PublicKey},
		{name: "ML-DSA-44", alg: -48, cose: map[int]any{1: 7, 3: -48, -1: make([]byte, 1312)}},
		{name: "ES384 on another curve", alg: -35, cose: map[int]any{1: 2, 3: -35, -1: 1, -2: point[1:49], -3: point[49:]}, want: "public key"},
		{name: "RS256 with a short modulus", alg: -257, cose: map[int]any{1: 3, 3: -257, -1: short, -2: []byte{1, 0, 1}}, want: "public key"},
		{name: "RS256 with exponent 1", alg: -257, cose: map[int]any{1: 3, 3: -257, -1: rsaKey.N.Bytes(), -2: []byte{1}}, want: "public key"},
		{name: "EdDSA too short", alg: -8, cose: map[int]any{1: 1, 3: -8, -1: 6, -2: []byte{1}}, want: "public key"},
		{name: "no algorithm", alg: -7, cose: map[int]any{1: 2}, want: "public key"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			response, err := clientOf(nil, minimalKey(tc.cose)).Create(t.Context(), example.origin, example.creation(
				with("pubKeyCredParams", []object{{"type": "public-key", "alg": tc.alg}}),
				with("authenticatorSelection.residentKey", "preferred")))
			if tc.want != "" {
				require.ErrorContains(t, err, tc.want)
				require.Nil(t, response)
				return
			}
			require.NoError(t, err)
			var o struct {
				Response struct {
					PublicKey          *string
					PublicKeyAlgorithm int
					Transports         []string
				}
			}
			require.NoError(t, json.Unmarshal(response, &o))
			require.Equal(t, tc.alg, o.Response.PublicKeyAlgorithm)
			require.Equal(t, []string{}, o.Response.Transports)
			if tc.public == nil {
				require.Nil(t, o.Response.PublicKey)
				return
			}
			require.Equal(t, b64(must(x509.MarshalPKIXPublicKey(tc.public))), *o.Response.PublicKey)
		})
	}
}

// What a key cannot do is said before it is touched.
func TestKeyThatCannotServe(t *testing.T) {
	client := clientOf(nil, transportFunc(func(ctx context.Context, msg []byte) ([]byte, error) {
		require.Equal(t, byte(0x04), msg[0], "the key was woken")
		return minimalKey(nil)(ctx, msg)
	}))
	_, err := client.Create(t.Context(), example.origin, example.creation())
	require.ErrorContains(t, err, "keeps none")
	_, err = client.Create(t.Context(), example.origin, example.creation(
		with("authenticatorSelection", object{"requireResidentKey": true})))
	require.ErrorContains(t, err, "keeps none")
	_, err = client.Create(t.Context(), example.origin, example.creation(
		with("authenticatorSelection.residentKey", "discouraged"),
		with("extensions", object{"credentialProtectionPolicy": "userVerificationRequired", "enforceCredentialProtectionPolicy": true})))
	require.ErrorContains(t, err, "credential protection")
}
