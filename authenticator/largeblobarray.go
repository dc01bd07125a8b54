package authenticator

import (
	"bytes"
	"compress/flate"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/fxamacker/cbor/v2"
)

const (
	// maxLargeBlobArray bounds what a key may say that it keeps; keys keep some
	// kilobytes.
	maxLargeBlobArray = 1 << 18
	// maxLargeBlob bounds one blob once it is unpacked.
	maxLargeBlob = 1 << 20

	blobChecksum  = 16 // the left half of SHA-256
	blobKeyLength = 32
	blobNonce     = 12
)

// errBlobChecksum: "If the check fails, the … array is considered corrupt."
var errBlobChecksum = errors.New("authenticator: the key's large blobs are damaged")

// largeBlobArray is what a key keeps: an entry for each blob of any credential of any
// relying party, encrypted. Entries of others stay as they are, byte for byte.
//
// https://fidoalliance.org/specs/fido-v2.1-ps-20210615/fido-client-to-authenticator-protocol-v2.1-ps-errata-20220621.html#large-blob
type largeBlobArray []cbor.RawMessage

// parseLargeBlobArray reads the serialized array with its checksum.
func parseLargeBlobArray(codec *ctapCBOR, serialized []byte) (largeBlobArray, error) {
	n := len(serialized) - blobChecksum
	if n < 1 {
		return nil, errBlobChecksum
	}
	sum := sha256.Sum256(serialized[:n])
	if subtle.ConstantTimeCompare(sum[:blobChecksum], serialized[n:]) != 1 {
		return nil, errBlobChecksum
	}
	return parse[largeBlobArray](codec, serialized[:n], "an array of large blobs")
}

// serialize appends the checksum: "the left 16 bytes of SHA-256 of the preceding bytes".
func (a largeBlobArray) serialize(codec *ctapCBOR) ([]byte, error) {
	if len(a) == 0 {
		a = largeBlobArray{} // which is not null
	}
	out, err := codec.enc.Marshal(a)
	if err != nil {
		return nil, fmt.Errorf("authenticator: encoding large blobs: %v", err)
	}
	sum := sha256.Sum256(out)
	return append(out, sum[:blobChecksum]...), nil
}

// find returns the blob that a key opens, nil if there is none. "Trial decryption" is
// how it is found: nothing else tells whose an entry is.
func (a largeBlobArray) find(codec *ctapCBOR, key []byte) []byte {
	for _, entry := range a {
		if blob, err := openBlob(codec, key, entry); err == nil {
			return blob
		}
	}
	return nil
}

// with returns the array with one blob for a key, in the place of those it had.
func (a largeBlobArray) with(codec *ctapCBOR, key, blob []byte) (largeBlobArray, error) {
	entry, err := sealBlob(codec, key, blob)
	if err != nil {
		return nil, err
	}
	var next largeBlobArray
	for _, other := range a {
		if _, err := openBlob(codec, key, other); err != nil {
			next = append(next, other)
		}
	}
	return append(next, entry), nil
}

// wireBlob is an element of the array.
type wireBlob struct {
	Ciphertext []byte `cbor:"1,keyasint"`
	Nonce      []byte `cbor:"2,keyasint"`
	Size       uint64 `cbor:"3,keyasint"` // unpacked
}

// blobAEAD returns the cipher, AEAD_AES_256_GCM, and what it authenticates: "0x626c6f62
// (“blob”) || uint64LittleEndian(origSize)".
func blobAEAD(key []byte, size uint64) (cipher.AEAD, []byte, error) {
	if len(key) != blobKeyLength {
		return nil, nil, malformed("a large blob key")
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, nil, fmt.Errorf("authenticator: preparing to encrypt a large blob: %v", err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, nil, fmt.Errorf("authenticator: preparing to encrypt a large blob: %v", err)
	}
	return aead, binary.LittleEndian.AppendUint64([]byte("blob"), size), nil
}

func openBlob(codec *ctapCBOR, key []byte, entry cbor.RawMessage) ([]byte, error) {
	w, err := parse[wireBlob](codec, entry, "a large blob")
	if err != nil {
		return nil, err
	}
	aead, authenticated, err := blobAEAD(key, w.Size)
	if err != nil {
		return nil, err
	}
	if len(w.Nonce) != blobNonce || w.Size > maxLargeBlob {
		return nil, malformed("a large blob")
	}
	packed, err := aead.Open(nil, w.Nonce, w.Ciphertext, authenticated)
	if err != nil {
		return nil, errors.New("authenticator: another credential's large blob")
	}
	blob, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(packed)), int64(w.Size)+1))
	if err != nil || uint64(len(blob)) != w.Size {
		return nil, malformed("a large blob")
	}
	return blob, nil
}

func sealBlob(codec *ctapCBOR, key, blob []byte) (cbor.RawMessage, error) {
	var packed bytes.Buffer
	w, err := flate.NewWriter(&packed, flate.BestCompression)
	if err == nil {
		_, err = w.Write(blob)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		return nil, fmt.Errorf("authenticator: packing a large blob: %v", err)
	}
	size := uint64(len(blob))
	aead, authenticated, err := blobAEAD(key, size)
	if err != nil {
		return nil, err
	}
	nonce := make([]byte, blobNonce)
	rand.Read(nonce)
	entry, err := codec.enc.Marshal(wireBlob{aead.Seal(nil, nonce, packed.Bytes(), authenticated), nonce, size})
	if err != nil {
		return nil, fmt.Errorf("authenticator: encoding a large blob: %v", err)
	}
	return entry, nil
}
