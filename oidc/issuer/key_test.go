package issuer_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/internal/secret"
	"github.com/lakekey/lakekey/oidc/issuer"
)

// A key of a version that kept no public half goes on.
func TestKeyOfAnOlderVersion(t *testing.T) {
	clock, store := newClocked(), issuer.NewMemoryStore()
	kid, err := keyring(t, store, issuer.KeyConfig{}, clock.now).Sign(t.Context())
	require.NoError(t, err)
	keys, err := store.Keys(t.Context())
	require.NoError(t, err)
	older := issuer.NewMemoryStore()
	keys[0].Public, keys[0].SignsFrom = nil, keys[0].Created
	require.NoError(t, older.AddKey(t.Context(), keys[0], ""))
	again, err := keyring(t, older, issuer.KeyConfig{}, clock.now).Sign(t.Context())
	require.NoError(t, err)
	require.Equal(t, kid, again)
}

// What is not what its row says signs nothing.
func TestDamagedKeys(t *testing.T) {
	clock, store := newClocked(), issuer.NewMemoryStore()
	_, err := keyring(t, store, issuer.KeyConfig{}, clock.now).Sign(t.Context())
	require.NoError(t, err)
	keys, err := store.Keys(t.Context())
	require.NoError(t, err)
	for name, change := range map[string]func(*issuer.Key){
		"another's ID":           func(k *issuer.Key) { k.ID = keys[1].ID },
		"another's public half":  func(k *issuer.Key) { k.Public = keys[1].Public },
		"another's private half": func(k *issuer.Key) { k.PKCS8 = keys[1].PKCS8 },
		"no key":                 func(k *issuer.Key) { k.PKCS8 = secret.New("key") },
		"nothing":                func(k *issuer.Key) { k.PKCS8, k.Public = secret.Value{}, nil },
	} {
		k, damaged := keys[0], issuer.NewMemoryStore()
		change(&k)
		require.NoError(t, damaged.AddKey(t.Context(), k, ""))
		_, err := keyring(t, damaged, issuer.KeyConfig{}, clock.now).Sign(t.Context())
		require.ErrorContains(t, err, "issuer: signing key", name)
		require.NotContains(t, err.Error(), "[REDACTED]")
	}
}

func TestKeyConfig(t *testing.T) {
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil { // Go itself refuses such keys
		small = &rsa.PrivateKey{PublicKey: rsa.PublicKey{N: new(big.Int).Lsh(big.NewInt(1), 1023), E: 65537}}
	}
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	require.NoError(t, err)
	for want, cfg := range map[string]issuer.KeyConfig{
		`KeyConfig.Algorithm is "HS256"`:  {Algorithm: "HS256"},
		"KeyConfig.Lifetime is 1h0m0s":    {Lifetime: time.Hour},
		"KeyConfig.Signers[0] is nil":     {Signers: []crypto.Signer{nil}},
		"an RSA signing key of 1024 bits": {Signers: []crypto.Signer{small}},
		"on the curve P-384":              {Signers: []crypto.Signer{p384}},
	} {
		_, err := issuer.OpenKeyring(issuer.NewMemoryStore(), cfg, nil)
		require.ErrorContains(t, err, want)
	}
	_, err = issuer.OpenKeyring(nil, issuer.KeyConfig{}, nil)
	require.ErrorContains(t, err, "a store is required")
}

func pemKey(t testing.TB, key any) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

func TestParseSigners(t *testing.T) {
	one, two := newOpaque(t), newOpaque(t)
	file := slices.Concat([]byte("# keys\n"), pemKey(t, one.Signer), pemKey(t, two.Signer))
	signers, err := issuer.ParseSigners(file)
	require.NoError(t, err)
	require.Equal(t, []crypto.Signer{one.Signer, two.Signer}, signers)
	for want, file := range map[string][]byte{
		"holds none":                      nil,
		`a block of type "PUBLIC KEY"`:    pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY"}),
		"the 2. signing key of the file ": append(pemKey(t, one.Signer), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("key")})...),
	} {
		_, err := issuer.ParseSigners(file)
		require.ErrorContains(t, err, want)
	}
}

// FuzzParseSigners: a file gives keys that sign, or an error and none.
func FuzzParseSigners(f *testing.F) {
	f.Add(pemKey(f, newOpaque(f).Signer))
	f.Add([]byte("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"))
	f.Fuzz(func(t *testing.T, file []byte) {
		signers, err := issuer.ParseSigners(file)
		require.Equal(t, err == nil, len(signers) > 0)
		for _, s := range signers {
			require.NotNil(t, s.Public())
		}
	})
}
