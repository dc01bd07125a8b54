//go:build libfido2 && cgo && linux

package libfido2_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"math/big"
	"testing"

	"github.com/fxamacker/cbor/v2"
	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/authenticator"
	"github.com/lakekey/lakekey/authenticator/libfido2"
)

func certificate(t *testing.T, key crypto.Signer) []byte {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	return der
}

func elliptical(t *testing.T, curve elliptic.Curve) crypto.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	require.NoError(t, err)
	return key
}

func TestAttestationStatements(t *testing.T) {
	sig := []byte{1, 2, 3}
	_, edwards, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	rivest, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	p256 := certificate(t, elliptical(t, elliptic.P256()))
	for _, test := range []struct {
		name, format string
		alg          int
		sig, cert    []byte
		want         map[string]any // nil: refused
	}{
		{"none", "none", -7, nil, nil, map[string]any{}},
		{"self", "packed", -8, sig, nil, map[string]any{"alg": int64(-8), "sig": sig}},
		{"packed, P-256", "packed", -8, sig, p256, map[string]any{"alg": int64(-7), "sig": sig, "x5c": []any{p256}}},
		{"u2f", "fido-u2f", -7, sig, p256, map[string]any{"sig": sig, "x5c": []any{p256}}},
		{"u2f without a certificate", "fido-u2f", -7, sig, nil, nil},
		{"packed without a signature", "packed", -7, nil, p256, nil},
		{"packed with garbage for a certificate", "packed", -7, sig, []byte{0x30, 1}, nil},
		{"of an unknown format", "tpm", -7, sig, p256, nil},
		{"of no format", "", -7, sig, p256, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			encoded, err := libfido2.Rebuild(test.format, test.alg, test.sig, test.cert)
			if test.want == nil {
				require.Error(t, err)
				require.Nil(t, encoded)
				return
			}
			require.NoError(t, err)
			var got map[string]any
			require.NoError(t, cbor.Unmarshal(encoded, &got))
			require.Equal(t, test.want, got)
			canonical, err := cbor.CTAP2EncOptions().EncMode()
			require.NoError(t, err)
			again, err := canonical.Marshal(got)
			require.NoError(t, err)
			require.Equal(t, again, encoded, "not CTAP2 canonical CBOR")
		})
	}
	for want, key := range map[int64]crypto.Signer{
		-35: elliptical(t, elliptic.P384()), -36: elliptical(t, elliptic.P521()), -8: edwards, -257: rivest,
	} {
		encoded, err := libfido2.Rebuild("packed", -7, sig, certificate(t, key))
		require.NoError(t, err)
		var got map[string]any
		require.NoError(t, cbor.Unmarshal(encoded, &got))
		require.Equal(t, want, got["alg"])
	}
}

func TestCodesKeepTheirNumber(t *testing.T) {
	for code := 1; code <= 0xFF; code++ {
		require.ErrorIs(t, libfido2.Translate(code), authenticator.Status(code))
	}
	for code, err := range libfido2.TranslateNamed() {
		var s authenticator.Status
		if code > 0 {
			require.ErrorIs(t, err, authenticator.Status(code))
		} else {
			require.NotErrorAs(t, err, &s, "code %d is libfido2's own", code)
		}
	}
	for _, code := range []int{0, -1, -2, -9, -99, 256} {
		var s authenticator.Status
		err := libfido2.Translate(code)
		require.Error(t, err)
		require.NotErrorAs(t, err, &s)
	}
}

func FuzzUnwrapAuthData(f *testing.F) {
	f.Add(append([]byte{0x58, 37}, make([]byte, 37)...))
	f.Add([]byte{0x58, 36})
	f.Add([]byte{0x5F, 0x41, 0, 0xFF})
	f.Fuzz(func(t *testing.T, wrapped []byte) {
		data, err := libfido2.UnwrapAuthData(wrapped)
		if err != nil {
			require.Nil(t, data)
			return
		}
		require.GreaterOrEqual(t, len(data), 37)
		require.True(t, bytes.HasSuffix(wrapped, data), "what was unwrapped is not what was wrapped")
	})
}
