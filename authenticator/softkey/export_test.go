package softkey

// Decode and Encode are the key's own codec.
func Decode(data []byte) (any, error) { return decode(data) }

// Encode is its inverse, for values with int keys.
func Encode(v any) []byte { return encode(nil, v) }

// ParseFile is what Open does with the content of a file; it reports whether a failed
// parse returned something.
func ParseFile(data []byte) (partial bool, err error) {
	s, err := parseState(data)
	return err != nil && (s.credentials != nil || s.pinHash != nil), err
}
