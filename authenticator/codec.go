package authenticator

import (
	"errors"
	"fmt"

	"github.com/fxamacker/cbor/v2"
)

// maxResponse bounds what a key may answer: the most that CTAPHID can carry.
const maxResponse = 7609

// errMalformed is the leaf of every response that does not parse.
var errMalformed = errors.New("authenticator: the key answered with malformed data")

func malformed(what string) error { return fmt.Errorf("%w: %s", errMalformed, what) }

// ctapCBOR is a pair of codec modes. They are built for each device: a mode is
// cheap, and the package holds no state.
type ctapCBOR struct {
	enc cbor.EncMode
	dec cbor.DecMode
}

// newCodec returns the CTAP2 canonical encoding, and a decoding that refuses what
// no conforming key sends: duplicate keys, indefinite lengths, tags, deep nesting.
// Keys are allowed more than the four levels of the specification since some
// attestation statements and extension outputs need it.
func newCodec() (*ctapCBOR, error) {
	enc, err := cbor.CTAP2EncOptions().EncMode()
	if err != nil {
		return nil, fmt.Errorf("authenticator: preparing the codec: %v", err)
	}
	dec, err := cbor.DecOptions{
		DupMapKey:        cbor.DupMapKeyEnforcedAPF,
		IndefLength:      cbor.IndefLengthForbidden,
		TagsMd:           cbor.TagsForbidden,
		MaxNestedLevels:  16,
		MaxArrayElements: 1024,
		MaxMapPairs:      1024,
		UTF8:             cbor.UTF8RejectInvalid,
	}.DecMode()
	if err != nil {
		return nil, fmt.Errorf("authenticator: preparing the codec: %v", err)
	}
	return &ctapCBOR{enc: enc, dec: dec}, nil
}

// parse decodes data, all of it, into a fresh T. On an error the T is zero.
func parse[T any](codec *ctapCBOR, data []byte, what string) (T, error) {
	var v, zero T
	if err := codec.dec.Unmarshal(data, &v); err != nil {
		return zero, malformed(what)
	}
	return v, nil
}
