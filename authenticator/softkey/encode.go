package softkey

import (
	"encoding/binary"
	"slices"
)

// reencode is the canonical form of a decoded map: byte for byte what came in, since
// decode accepts no other form.
func reencode(m params) []byte { return encode(nil, map[any]any(m)) }

// encode appends v in CTAP2 canonical CBOR. It takes what the key's own responses
// are made of: int, int64, uint32, string, []byte, bool, []any and map[any]any with int
// or string keys.
func encode(dst []byte, v any) []byte {
	switch v := v.(type) {
	case int:
		return encode(dst, int64(v))
	case int64:
		if v < 0 {
			return appendHead(dst, majorNegative, uint64(-1-v))
		}
		return appendHead(dst, majorUint, uint64(v))
	case uint32:
		return appendHead(dst, majorUint, uint64(v))
	case string:
		return append(appendHead(dst, majorText, uint64(len(v))), v...)
	case []byte:
		return append(appendHead(dst, majorBytes, uint64(len(v))), v...)
	case bool:
		if v {
			return append(dst, majorSimple<<5|21)
		}
		return append(dst, majorSimple<<5|20)
	case []any:
		dst = appendHead(dst, majorArray, uint64(len(v)))
		for _, element := range v {
			dst = encode(dst, element)
		}
		return dst
	case map[any]any:
		dst = appendHead(dst, majorMap, uint64(len(v)))
		keys := make([]string, 0, len(v))
		values := make(map[string]any, len(v))
		for key, value := range v {
			k := string(encode(nil, key))
			keys = append(keys, k)
			values[k] = value
		}
		slices.SortFunc(keys, compareKeys)
		for _, k := range keys {
			dst = encode(append(dst, k...), values[k])
		}
		return dst
	default:
		return append(dst, majorSimple<<5|22) // null: nothing else is ever passed
	}
}

func appendHead(dst []byte, major byte, arg uint64) []byte {
	major <<= 5
	switch {
	case arg < 24:
		return append(dst, major|byte(arg))
	case arg < 1<<8:
		return append(dst, major|24, byte(arg))
	case arg < 1<<16:
		return binary.BigEndian.AppendUint16(append(dst, major|25), uint16(arg))
	case arg < 1<<32:
		return binary.BigEndian.AppendUint32(append(dst, major|26), uint32(arg))
	default:
		return binary.BigEndian.AppendUint64(append(dst, major|27), arg)
	}
}
