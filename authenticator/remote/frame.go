package remote

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/fxamacker/cbor/v2"
)

// maxFrame bounds a frame without its length.
const maxFrame = 64 << 10

// errProtocol is the leaf of everything the other side should not have sent.
var errProtocol = errors.New("remote: the other side does not speak this protocol")

func violation(what string) error { return fmt.Errorf("%w: %s", errProtocol, what) }

// codec is built for each connection: it is cheap, and the package holds no state.
type codec struct {
	enc cbor.EncMode
	dec cbor.DecMode
}

func newCodec() (*codec, error) {
	enc, err := cbor.CoreDetEncOptions().EncMode()
	if err != nil {
		return nil, fmt.Errorf("remote: preparing the codec: %v", err)
	}
	dec, err := cbor.DecOptions{
		DupMapKey:         cbor.DupMapKeyEnforcedAPF,
		IndefLength:       cbor.IndefLengthForbidden,
		TagsMd:            cbor.TagsForbidden,
		ExtraReturnErrors: cbor.ExtraDecErrorUnknownField,
		MaxNestedLevels:   4,
		MaxArrayElements:  16,
		MaxMapPairs:       16,
		UTF8:              cbor.UTF8RejectInvalid,
	}.DecMode()
	if err != nil {
		return nil, fmt.Errorf("remote: preparing the codec: %v", err)
	}
	return &codec{enc: enc, dec: dec}, nil
}

// envelope is the CBOR of a frame: [kind, body].
type envelope struct {
	_    struct{} `cbor:",toarray"`
	Kind kind
	Body cbor.RawMessage
}

// encode returns a whole frame. What it holds is the caller's to wipe.
func (c *codec) encode(m message) ([]byte, error) {
	body, err := c.enc.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("remote: encoding a frame: %v", err)
	}
	defer clear(body)
	data, err := c.enc.Marshal(envelope{Kind: m.kind(), Body: body})
	if err != nil {
		return nil, fmt.Errorf("remote: encoding a frame: %v", err)
	}
	defer clear(data)
	if len(data) > maxFrame {
		return nil, fmt.Errorf("remote: a frame of %d bytes is larger than the limit of %d", len(data), maxFrame)
	}
	return append(binary.BigEndian.AppendUint32(make([]byte, 0, 4+len(data)), uint32(len(data))), data...), nil
}

// read takes one frame off a stream. Nothing is read beyond it, and nothing is
// allocated that its length does not permit.
func (c *codec) read(r io.Reader) (message, error) {
	var length [4]byte
	if _, err := io.ReadFull(r, length[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(length[:])
	if n == 0 || n > maxFrame {
		return nil, violation("a frame that is empty or larger than the limit")
	}
	data := make([]byte, n)
	defer clear(data)
	if _, err := io.ReadFull(r, data); err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	return c.decode(data)
}

func (c *codec) decode(data []byte) (message, error) {
	var e envelope
	if err := c.dec.Unmarshal(data, &e); err != nil {
		return nil, violation("a frame that is not [kind, body]")
	}
	defer clear(e.Body)
	m := e.Kind.message()
	if m == nil {
		return nil, violation("a frame of an unknown kind")
	}
	if err := c.dec.Unmarshal(e.Body, m); err != nil {
		return nil, violation("a frame whose body does not fit its kind")
	}
	// One meaning, one spelling: what two readers might take differently is
	// refused by both.
	again, err := c.encode(m)
	if err != nil {
		return nil, violation("a frame that cannot be spelled")
	}
	defer clear(again)
	if !bytes.Equal(again[4:], data) {
		return nil, violation("a frame that is not in deterministic CBOR")
	}
	return m, nil
}
