package authenticator

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
)

// wireLargeBlobs is authenticatorLargeBlobs, CTAP 2.1 §6.10.
type wireLargeBlobs struct {
	Get      int    `cbor:"1,keyasint,omitempty"`
	Set      []byte `cbor:"2,keyasint,omitempty"`
	Offset   int    `cbor:"3,keyasint"`
	Length   int    `cbor:"4,keyasint,omitempty"`
	Proof    []byte `cbor:"5,keyasint,omitempty"`
	Protocol int    `cbor:"6,keyasint,omitempty"`
}

type wireLargeBlobsResult struct {
	Fragment []byte `cbor:"1,keyasint"`
}

// blobSession is the large blobs of one key, after a sign-in.
type blobSession struct {
	device *ctap2
	codec  *ctapCBOR
	info   *Info
	auth   *authorization // nil: the key asks for none, or nothing is written
}

// fragment is "maxFragmentLength … maxMsgSize - 64". A key that says less than the least
// that there is, or nothing, is taken to mean that.
func (b *blobSession) fragment() int { return max(b.info.MaxMessageSize, defaultMessageSize) - 64 }

func (b *blobSession) read(ctx context.Context) (largeBlobArray, error) {
	var all []byte
	for n := b.fragment(); ; {
		response, err := b.device.call(ctx, b.codec, cmdLargeBlobs, &wireLargeBlobs{Get: n, Offset: len(all)})
		if err != nil {
			return nil, fmt.Errorf("reading large blobs: %w", err)
		}
		result, err := parse[wireLargeBlobsResult](b.codec, response, "large blobs")
		if err != nil {
			return nil, err
		}
		all = append(all, result.Fragment...)
		if result.Fragment == nil || len(result.Fragment) > n || len(all) > maxLargeBlobArray {
			return nil, malformed("large blobs")
		}
		if len(result.Fragment) < n {
			break
		}
	}
	array, err := parseLargeBlobArray(b.codec, all)
	if errors.Is(err, errBlobChecksum) {
		// "… the platform MUST … act as if the initial serialized large-blob array was
		// received": half a write of a program that died is nothing to keep.
		return nil, nil
	}
	return array, err
}

// write replaces the array. A key that is interrupted keeps the one it has.
func (b *blobSession) write(ctx context.Context, array largeBlobArray) error {
	serialized, err := array.serialize(b.codec)
	if err != nil {
		return err
	}
	if len(serialized) > b.info.MaxLargeBlobs {
		return fmt.Errorf("writing large blobs of %d bytes: %w", len(serialized), statusBlobsFull)
	}
	for offset := 0; offset < len(serialized); {
		fragment := serialized[offset:min(offset+b.fragment(), len(serialized))]
		request := &wireLargeBlobs{Set: fragment, Offset: offset}
		if offset == 0 {
			request.Length = len(serialized)
		}
		// "32×0xff || h'0c00' || uint32LittleEndian(offset) || SHA-256(… set …)"
		sum := sha256.Sum256(fragment)
		message := append(bytes.Repeat([]byte{0xFF}, 32), cmdLargeBlobs, 0)
		message = binary.LittleEndian.AppendUint32(message, uint32(offset))
		request.Proof, request.Protocol = b.auth.proof(append(message, sum[:]...))
		if _, err := b.device.call(ctx, b.codec, cmdLargeBlobs, request); err != nil {
			return fmt.Errorf("writing large blobs: %w", err)
		}
		offset += len(fragment)
	}
	return nil
}

// serve reads or writes the blobs of what was signed, and overwrites their keys. What
// goes wrong with a blob is told with the assertion, which is good all the same; only a
// done ctx ends everything.
func (b *blobSession) serve(ctx context.Context, req *GetAssertionRequest, found []Assertion) error {
	array, err := b.read(ctx)
	for i := range found {
		a := &found[i]
		key := a.blobKey
		a.blobKey = nil
		switch {
		case key == nil:
		case err != nil:
			a.LargeBlobError = err
		case req.WriteLargeBlob == nil:
			a.LargeBlob = array.find(b.codec, key)
		default:
			a.LargeBlobError = b.replace(ctx, array, key, req.WriteLargeBlob)
			if a.LargeBlobError == nil {
				a.LargeBlob = req.WriteLargeBlob
			}
		}
		clear(key)
	}
	if ctx.Err() != nil {
		return fmt.Errorf("authenticator: %w", ctx.Err())
	}
	return nil
}

func (b *blobSession) replace(ctx context.Context, array largeBlobArray, key, blob []byte) error {
	next, err := array.with(b.codec, key, blob)
	if err != nil {
		return err
	}
	return b.write(ctx, next)
}
