package fido_test

import (
	"crypto/ed25519"
	"encoding/binary"
	"encoding/hex"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/fido"
)

// weakPoints are the encodings of points of small order on Curve25519, both signs.
func weakPoints(t *testing.T) (all [][]byte) {
	t.Helper()
	for _, y := range []string{
		"0000000000000000000000000000000000000000000000000000000000000000",
		"0100000000000000000000000000000000000000000000000000000000000000",
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	} {
		b, err := hex.DecodeString(y)
		require.NoError(t, err)
		all = append(all, b, append(append([]byte{}, b[:31]...), b[31]|0x80))
	}
	return all
}

// A key for which anybody can sign, or nobody, is refused when it is registered.
func TestWeakKeysAreRefused(t *testing.T) {
	rp := party(t, config(), fido.NewMemoryStore())
	refused := func(alg fido.Algorithm, public map[int]any) {
		t.Helper()
		f := newForge(t, alg)
		f.cose = encodeCBOR(t, public)
		_, c := beginRegistration(t, rp, ana)
		_, err := rp.FinishRegistration(t.Context(), c.ID, f.register(t, c.Options))
		failsCheck(t, err, "public key")
	}
	identity := append([]byte{1}, make([]byte, 63)...) // R the neutral point, S zero
	forged := 0
	for _, point := range weakPoints(t) {
		for n := range uint64(256) {
			if ed25519.Verify(point, binary.BigEndian.AppendUint64(nil, n), identity) {
				forged++
				break
			}
		}
		refused(fido.EdDSA, map[int]any{1: 1, 3: -8, -1: 6, -2: point})
	}
	require.GreaterOrEqual(t, forged, 8, "the points are weak indeed: the library takes signatures that nobody made")
	modulus := append(append([]byte{0x80}, make([]byte, 254)...), 1)
	for _, e := range []byte{1, 2, 4} {
		refused(fido.RS256, map[int]any{1: 3, 3: -257, -1: modulus, -2: []byte{e}})
	}
}
