package softkey

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"slices"
)

const (
	// maxLargeBlobs is the room for the serialized large-blob array: more than two
	// messages carry, so that who writes it must go on.
	maxLargeBlobs = 16384
	// "maxFragmentLength … maxMsgSize - 64" (CTAP 2.1 §6.10).
	maxFragment = maxMessage - 64
	// checksumLength is what of SHA-256 ends the array.
	checksumLength = 16
)

// blobWrite is an array of which not all fragments have come.
type blobWrite struct {
	expected int
	received []byte
}

// emptyLargeBlobs is "the initial serialized large-blob array", an empty CBOR array with
// its checksum.
func emptyLargeBlobs() []byte { return withChecksum([]byte{majorArray << 5}) }

func withChecksum(array []byte) []byte {
	sum := sha256.Sum256(array)
	return append(array, sum[:checksumLength]...)
}

// largeBlobs is authenticatorLargeBlobs. What is in the array is the platform's business:
// the key only minds that it arrives whole.
//
// https://fidoalliance.org/specs/fido-v2.1-ps-20210615/fido-client-to-authenticator-protocol-v2.1-ps-errata-20220621.html#authenticatorLargeBlobs
func (k *Key) largeBlobs(_ context.Context, m params) ([]byte, error) {
	offset, there, err := optional[int64](m, 3)
	if err != nil {
		return nil, err
	}
	length, get, err := optional[int64](m, 1)
	if err != nil {
		return nil, err
	}
	fragment, set, err := optional[[]byte](m, 2)
	if err != nil {
		return nil, err
	}
	if !there || offset < 0 || get == set {
		return nil, errInvalidParameter
	}
	if set {
		return nil, k.writeLargeBlobs(m, fragment, offset)
	}
	for _, extra := range []int64{4, 5, 6} {
		if _, present := m[extra]; present {
			return nil, errInvalidParameter
		}
	}
	switch {
	case length < 0 || offset > int64(len(k.blobs)):
		return nil, errInvalidParameter
	case length > maxFragment:
		return nil, errInvalidLength
	}
	rest := k.blobs[offset:]
	return encode(nil, map[any]any{1: rest[:min(length, int64(len(rest)))]}), nil
}

func (k *Key) writeLargeBlobs(m params, fragment []byte, offset int64) error {
	if len(fragment) > maxFragment {
		return errInvalidLength
	}
	length, there, err := optional[int64](m, 4)
	if err != nil {
		return err
	}
	switch {
	case there != (offset == 0):
		return errInvalidParameter
	case there && length > maxLargeBlobs:
		return errBlobsFull
	case there && length < checksumLength+1:
		return errInvalidParameter
	case there:
		k.blobWrite = &blobWrite{expected: int(length)}
	}
	w := k.blobWrite
	if w == nil || offset != int64(len(w.received)) {
		return errInvalidSequence
	}
	if k.protected() {
		if err := k.authorizeFragment(m, fragment, uint32(offset)); err != nil {
			return err
		}
	}
	if len(w.received)+len(fragment) > w.expected {
		return errInvalidParameter
	}
	w.received = append(w.received, fragment...)
	if len(w.received) < w.expected {
		return nil
	}
	k.blobWrite = nil
	array, sum := w.received[:w.expected-checksumLength], w.received[w.expected-checksumLength:]
	if want := withChecksum(slices.Clone(array)); subtle.ConstantTimeCompare(want[len(array):], sum) != 1 {
		return errIntegrityFailure
	}
	return k.commit(func(s *state) { s.blobs = w.received })
}

// authorizeFragment: "verify(pinUvAuthToken, 32×0xff || h'0c00' || uint32LittleEndian(offset)
// || SHA-256(contents of set byte string), pinUvAuthParam)".
func (k *Key) authorizeFragment(m params, fragment []byte, offset uint32) error {
	sum := sha256.Sum256(fragment)
	message := append(bytes.Repeat([]byte{0xFF}, 32), cmdLargeBlobs, 0)
	message = binary.LittleEndian.AppendUint32(message, offset)
	// Protocol and proof stand the other way round here: 5 is the proof.
	turned := params{int64(1): m[int64(6)], int64(2): m[int64(5)]}
	for key, value := range turned {
		if value == nil {
			delete(turned, key)
		}
	}
	_, err := k.authorizeCommand(turned, 1, permitLargeBlobWrite, append(message, sum[:]...))
	return err
}

// wantsBlobKey reads the largeBlobKey extension (§12.3): "extension input … Boolean …
// which MUST be set to true".
func wantsBlobKey(extensions params) (bool, error) {
	wanted, present, err := optional[bool](extensions, "largeBlobKey")
	if err == nil && present && !wanted {
		err = errInvalidOption
	}
	return wanted, err
}

// newBlobKey makes the key that this credential's blob is encrypted under, by the platform.
func (c *credential) newBlobKey() {
	c.blobKey = make([]byte, 32)
	rand.Read(c.blobKey)
}
