package softkey

import (
	"encoding/binary"
	"strings"
	"unicode/utf8"
)

// decode reads one item of CTAP2 canonical CBOR that fills data. Integers become
// int64, strings string or []byte, arrays []any and maps map[any]any.
//
// "All CBOR encoding MUST be in the CTAP2 canonical CBOR encoding form": shortest
// integers, definite lengths, sorted keys without duplicates, no tags, at most
// four levels of nesting. Authenticators may be lenient; this one is not.
//
// https://fidoalliance.org/specs/fido-v2.1-ps-20210615/fido-client-to-authenticator-protocol-v2.1-ps-errata-20220621.html#message-encoding
func decode(data []byte) (any, error) {
	d := decoder{rest: data}
	v, err := d.item(maxDepth)
	if err != nil {
		return nil, err
	}
	if len(d.rest) != 0 {
		return nil, errInvalidCBOR
	}
	return v, nil
}

const maxDepth = 4

const (
	majorUint byte = iota
	majorNegative
	majorBytes
	majorText
	majorArray
	majorMap
	majorTag
	majorSimple
)

type decoder struct{ rest []byte }

// head reads the initial byte and the argument after it.
func (d *decoder) head() (major byte, arg uint64, err error) {
	if len(d.rest) == 0 {
		return 0, 0, errInvalidCBOR
	}
	major, info := d.rest[0]>>5, d.rest[0]&0x1F
	d.rest = d.rest[1:]
	if info < 24 {
		return major, uint64(info), nil
	}
	if info > 27 || major == majorSimple { // indefinite or reserved; floats and two-byte simple values
		return 0, 0, errInvalidCBOR
	}
	size := 1 << (info - 24)
	if len(d.rest) < size {
		return 0, 0, errInvalidCBOR
	}
	var wide [8]byte
	copy(wide[8-size:], d.rest)
	d.rest = d.rest[size:]
	arg = binary.BigEndian.Uint64(wide[:])
	smallest := uint64(1) << (4 * size) // what half as many bytes cannot hold
	if size == 1 {
		smallest = 24
	}
	if arg < smallest {
		return 0, 0, errInvalidCBOR
	}
	return major, arg, nil
}

func (d *decoder) item(depth int) (any, error) {
	major, arg, err := d.head()
	if err != nil {
		return nil, err
	}
	switch major {
	case majorUint, majorNegative:
		if arg > 1<<63-1 {
			return nil, errInvalidCBOR
		}
		if major == majorNegative {
			return -1 - int64(arg), nil
		}
		return int64(arg), nil
	case majorBytes, majorText:
		if arg > uint64(len(d.rest)) {
			return nil, errInvalidCBOR
		}
		b := d.rest[:arg:arg]
		d.rest = d.rest[arg:]
		if major == majorBytes {
			return b, nil
		}
		if !utf8.Valid(b) {
			return nil, errInvalidCBOR
		}
		return string(b), nil
	case majorArray:
		return d.array(arg, depth)
	case majorMap:
		return d.table(arg, depth)
	case majorSimple:
		switch arg {
		case 20, 21:
			return arg == 21, nil
		case 22:
			return nil, nil
		}
	}
	return nil, errInvalidCBOR
}

func (d *decoder) array(n uint64, depth int) (any, error) {
	// Every element takes a byte at least, so a length beyond the rest is a lie.
	if depth == 0 || n > uint64(len(d.rest)) {
		return nil, errInvalidCBOR
	}
	a := make([]any, n)
	for i := range a {
		var err error
		if a[i], err = d.item(depth - 1); err != nil {
			return nil, err
		}
	}
	return a, nil
}

func (d *decoder) table(n uint64, depth int) (any, error) {
	if depth == 0 || n > uint64(len(d.rest)/2) {
		return nil, errInvalidCBOR
	}
	m := make(map[any]any, n)
	var last string
	for i := range n {
		start := d.rest
		key, err := d.item(0)
		if err != nil {
			return nil, err
		}
		switch key.(type) {
		case int64, string:
		default: // no CTAP2 message has other keys
			return nil, errInvalidCBOR
		}
		encoded := string(start[:len(start)-len(d.rest)])
		if i > 0 && compareKeys(last, encoded) >= 0 {
			return nil, errInvalidCBOR
		}
		last = encoded
		if m[key], err = d.item(depth - 1); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// compareKeys orders encoded map keys: "If the major types are different, the one
// with the lower value in numerical order sorts earlier. If two keys have
// different lengths, the shorter one sorts earlier. If two keys have the same
// length, the one with the lower value in (byte-wise) lexical order sorts
// earlier."
func compareKeys(a, b string) int {
	if d := int(a[0]>>5) - int(b[0]>>5); d != 0 {
		return d
	}
	if d := len(a) - len(b); d != 0 {
		return d
	}
	return strings.Compare(a, b)
}

// params are the decoded parameters of a command or a map within them.
type params map[any]any

// optional returns a member, with errUnexpectedType when it has another type.
func optional[T any](m params, key any) (v T, present bool, err error) {
	if n, isInt := key.(int); isInt {
		key = int64(n)
	}
	raw, present := m[key]
	if !present {
		return v, false, nil
	}
	v, right := raw.(T)
	if !right {
		return v, true, errUnexpectedType
	}
	return v, true, nil
}

// required is optional for a member that must be there.
func required[T any](m params, key any) (T, error) {
	v, present, err := optional[T](m, key)
	if err == nil && !present {
		err = errMissingParameter
	}
	return v, err
}
