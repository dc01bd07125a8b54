package softkey_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/authenticator/softkey"
)

const maxFragment = 7609 - 64

// blobArray is n bytes of a serialized large-blob array, whatever is in it.
func blobArray(n int) []byte {
	array := bytes.Repeat([]byte{0x5A}, n-16)
	sum := sha256.Sum256(array)
	return append(array, sum[:16]...)
}

func readBlobs(t testing.TB, k *softkey.Key) []byte {
	t.Helper()
	var all []byte
	for {
		status, body := send(t, k, 0x0C, m{1: maxFragment, 3: len(all)})
		require.Zero(t, status)
		fragment := body[1].([]byte)
		all = append(all, fragment...)
		if len(fragment) < maxFragment {
			return all
		}
	}
}

// writeBlobs sends an array in fragments, with the proofs of a token unless it is nil,
// and returns the first refusal.
func (p *platform) writeBlobs(t testing.TB, k *softkey.Key, token, array []byte, size int) byte {
	t.Helper()
	for offset := 0; offset < len(array); offset += size {
		fragment := array[offset:min(offset+size, len(array))]
		request := m{2: fragment, 3: offset}
		if offset == 0 {
			request[4] = len(array)
		}
		if token != nil {
			sum := sha256.Sum256(fragment)
			head := append(bytes.Repeat([]byte{0xFF}, 32), 0x0C, 0)
			request[5], request[6] = p.proof(token, binary.LittleEndian.AppendUint32(head, uint32(offset)), sum[:]), p.protocol
		}
		if status, _ := send(t, k, 0x0C, request); status != 0 {
			return status
		}
	}
	return 0
}

func TestLargeBlobs(t *testing.T) {
	k := newKey(t, softkey.Options{})
	_, info := send(t, k, 4, nil)
	require.EqualValues(t, 16384, info[0x0B])
	// "the initial serialized large-blob array"
	require.Equal(t, []byte("\x80\x76\xbe\x8b\x52\x8d\x00\x75\xf7\xaa\xe9\x8d\x6f\xa5\x7a\x6d\x3c"), readBlobs(t, k))
	var none *platform
	for _, size := range []int{17, 18, 100, maxFragment, maxFragment + 1, 16384} {
		array := blobArray(size)
		require.Zero(t, none.writeBlobs(t, k, nil, array, maxFragment))
		require.Equal(t, array, readBlobs(t, k))
	}
	small := blobArray(333)
	require.Zero(t, none.writeBlobs(t, k, nil, small, 1), "a byte at a time")
	require.Equal(t, small, readBlobs(t, k))

	spoilt := blobArray(300)
	spoilt[7] ^= 1
	require.EqualValues(t, 0x3D, none.writeBlobs(t, k, nil, spoilt, 128), "INTEGRITY_FAILURE")
	require.Equal(t, small, readBlobs(t, k), "what did not arrive whole changes nothing")
	require.NoError(t, k.PowerCycle())
	require.Equal(t, small, readBlobs(t, k))
}

func TestLargeBlobsRefuses(t *testing.T) {
	k := newKey(t, softkey.Options{})
	half := blobArray(100)[:50]
	for name, tc := range map[string]struct {
		request m
		want    byte
	}{
		"no offset":           {m{1: 10}, 0x02},
		"neither":             {m{3: 0}, 0x02},
		"both":                {m{1: 10, 2: half, 3: 0, 4: 100}, 0x02},
		"get with a length":   {m{1: 10, 3: 0, 4: 10}, 0x02},
		"get with a proof":    {m{1: 10, 3: 0, 5: half, 6: 2}, 0x02},
		"get beyond the end":  {m{1: 10, 3: 18}, 0x02},
		"get too much":        {m{1: maxFragment + 1, 3: 0}, 0x03},
		"negative":            {m{1: 10, 3: -1}, 0x02},
		"set too much":        {m{2: make([]byte, maxFragment+1), 3: 0, 4: 8000}, 0x03},
		"no length":           {m{2: half, 3: 0}, 0x02},
		"a length later":      {m{2: half, 3: 50, 4: 100}, 0x02},
		"too short an array":  {m{2: half[:16], 3: 0, 4: 16}, 0x02},
		"no room":             {m{2: half, 3: 0, 4: 16385}, 0x18},
		"from the middle":     {m{2: half, 3: 50}, 0x04},
		"more than announced": {m{2: half, 3: 0, 4: 49}, 0x02},
		"text":                {m{2: "x", 3: 0, 4: 100}, 0x11},
	} {
		status, _ := send(t, k, 0x0C, tc.request)
		require.EqualValues(t, tc.want, status, name)
		require.NoError(t, k.PowerCycle())
	}
	require.Len(t, readBlobs(t, k), 17)
	// A gap, and the same fragment twice.
	status, _ := send(t, k, 0x0C, m{2: half, 3: 0, 4: 100})
	require.Zero(t, status)
	for _, offset := range []int{49, 51} {
		status, _ = send(t, k, 0x0C, m{2: half, 3: offset})
		require.EqualValues(t, 0x04, status)
	}
	require.NoError(t, k.PowerCycle())
	status, _ = send(t, k, 0x0C, m{2: half, 3: 50})
	require.EqualValues(t, 0x04, status, "a write does not go on after a power cycle")
}

// Whoever writes to a key with a PIN needs a token for that, which survives the touch.
func TestLargeBlobsPermission(t *testing.T) {
	k := newKey(t, softkey.Options{PIN: []byte("1234")})
	var none *platform
	require.EqualValues(t, 0x36, none.writeBlobs(t, k, nil, blobArray(40), 40))
	for _, protocol := range []int{1, 2} {
		p := agree(t, k, protocol)
		_, token := p.token(t, k, "1234", 2, "example.org")
		require.EqualValues(t, 0x33, p.writeBlobs(t, k, token, blobArray(40), 40), "another permission")
		p = agree(t, k, protocol)
		status, token := p.token(t, k, "1234", 0x11, "example.org")
		require.Zero(t, status)
		status, made := send(t, k, 1, creation(p.verified(token, 8, 9), set(7, m{"rk": true}), set(6, m{"largeBlobKey": true})))
		require.Zero(t, status)
		require.Len(t, made[5], 32)
		array := blobArray(9000 + protocol)
		require.Zero(t, p.writeBlobs(t, k, token, array, maxFragment), "after the touch")
		require.Equal(t, array, readBlobs(t, k), "reading needs nothing")
		status, _ = send(t, k, 1, creation(p.verified(token, 8, 9)))
		require.EqualValues(t, 0x33, status, "the other permission is spent")

		sum := sha256.Sum256(array[:40])
		proof := p.proof(token, append(bytes.Repeat([]byte{0xFF}, 32), 0x0C, 0, 1, 0, 0, 0), sum[:])
		status, _ = send(t, k, 0x0C, m{2: array[:40], 3: 0, 4: 40, 5: proof, 6: protocol})
		require.EqualValues(t, 0x33, status, "a proof is over its offset")
	}
}

func TestLargeBlobKey(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	k, err := softkey.Open(path, softkey.Options{})
	require.NoError(t, err)
	for _, refused := range []m{
		creation(set(6, m{"largeBlobKey": false}), set(7, m{"rk": true})),
		creation(set(6, m{"largeBlobKey": true}), drop(7)),
		creation(set(6, m{"largeBlobKey": true}), set(7, m{"rk": false})),
	} {
		status, _ := send(t, k, 1, refused)
		require.EqualValues(t, 0x2C, status)
	}
	status, made := send(t, k, 1, creation(set(6, m{"largeBlobKey": true}), set(7, m{"rk": true})))
	require.Zero(t, status)
	_, plain := send(t, k, 1, creation(set(3, m{"id": []byte("other")}), set(7, m{"rk": true})))
	require.NotContains(t, plain, 5)

	var none *platform
	array := blobArray(50)
	require.Zero(t, none.writeBlobs(t, k, nil, array, 50))
	require.NoError(t, k.Close())
	k, err = softkey.Open(path, softkey.Options{})
	require.NoError(t, err)
	defer k.Close()
	require.Equal(t, array, readBlobs(t, k), "kept in the file")

	status, _ = send(t, k, 2, request(set(4, m{"largeBlobKey": false})))
	require.EqualValues(t, 0x2C, status)
	status, first := send(t, k, 2, request(set(4, m{"largeBlobKey": true})))
	require.Zero(t, status)
	require.NotContains(t, first, 7, "made without")
	_, next := send(t, k, 8, nil)
	require.Equal(t, made[5], next[7])
	_, unasked := send(t, k, 2, request())
	require.NotContains(t, unasked, 7)

	// Reset forgets the array.
	status, _ = send(t, k, 7, nil)
	require.Zero(t, status)
	require.Len(t, readBlobs(t, k), 17)
}
