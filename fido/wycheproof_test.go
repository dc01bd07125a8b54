package fido_test

import (
	"encoding/hex"
	"encoding/json"
	"math/big"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/fido"
)

// TestWycheproof runs other people's signatures, most of them wrong in some
// subtle way, through the verifier of sign-ins.
func TestWycheproof(t *testing.T) {
	for _, set := range []struct {
		file           string
		valid, invalid int
		size           int // of a coordinate
		key            map[int]any
	}{
		{"ecdsa_secp256r1_sha256_test.json", 174, 310, 32, map[int]any{1: 2, 3: -7, -1: 1}},
		{"ecdsa_secp384r1_sha384_test.json", 194, 310, 48, map[int]any{1: 2, 3: -35, -1: 2}},
		{"ecdsa_secp521r1_sha512_test.json", 232, 310, 66, map[int]any{1: 2, 3: -36, -1: 3}},
		{"ed25519_test.json", 88, 63, 32, map[int]any{1: 1, 3: -8, -1: 6}},
		{"rsa_signature_2048_sha256_test.json", 9, 249, 0, map[int]any{1: 3, 3: -257}},
	} {
		t.Run(set.file, func(t *testing.T) {
			var file struct {
				TestGroups []struct {
					PublicKey struct{ Wx, Wy, PK, Modulus, PublicExponent string }
					Tests     []struct {
						TcID                      int
						Comment, Msg, Sig, Result string
					}
				}
			}
			require.NoError(t, json.Unmarshal(vectorFile(t, filepath.Join("wycheproof", set.file)), &file))
			accepted, refused := 0, 0
			for _, g := range file.TestGroups {
				switch set.key[1] {
				case 1:
					set.key[-2] = unhex(t, g.PublicKey.PK)
				case 2:
					set.key[-2], set.key[-3] = number(t, g.PublicKey.Wx).FillBytes(make([]byte, set.size)), number(t, g.PublicKey.Wy).FillBytes(make([]byte, set.size))
				default:
					set.key[-1], set.key[-2] = number(t, g.PublicKey.Modulus).Bytes(), number(t, g.PublicKey.PublicExponent).Bytes()
				}
				cose := encodeCBOR(t, set.key)
				for _, c := range g.Tests {
					ok, err := fido.VerifySignature(cose, unhex(t, c.Msg), unhex(t, c.Sig))
					require.NoError(t, err)
					switch c.Result {
					case "valid":
						require.True(t, ok, "%d is valid: %s", c.TcID, c.Comment)
						accepted++
					case "invalid":
						require.False(t, ok, "%d is invalid: %s", c.TcID, c.Comment)
						refused++
					}
				}
			}
			require.Equal(t, set.valid, accepted)
			require.Equal(t, set.invalid, refused)
		})
	}
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	require.NoError(t, err)
	return b
}

func number(t *testing.T, s string) *big.Int {
	t.Helper()
	n, ok := new(big.Int).SetString(s, 16)
	require.True(t, ok)
	return n
}
