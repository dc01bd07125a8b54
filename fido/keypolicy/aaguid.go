package keypolicy

import (
	"encoding/hex"
	"fmt"
)

// AAGUID names a key model. The zero AAGUID names none.
// https://www.w3.org/TR/webauthn-3/#aaguid
type AAGUID [16]byte

// ParseAAGUID reads an AAGUID written as a UUID,
// "ee882879-721c-4913-9775-3dfcce97072a", in either case.
func ParseAAGUID(s string) (AAGUID, error) {
	var a AAGUID
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return a, fmt.Errorf("keypolicy: %.40q is no AAGUID: write it as ee882879-721c-4913-9775-3dfcce97072a", s)
	}
	if _, err := hex.Decode(a[:], []byte(s[:8]+s[9:13]+s[14:18]+s[19:23]+s[24:])); err != nil {
		return AAGUID{}, fmt.Errorf("keypolicy: %q is no AAGUID: it has a character that is no hexadecimal digit", s)
	}
	return a, nil
}

// IsZero reports whether a names no model.
func (a AAGUID) IsZero() bool { return a == AAGUID{} }

// String returns the AAGUID as a UUID is written.
func (a AAGUID) String() string {
	var b [36]byte
	a.encode(&b)
	return string(b[:])
}

func (a AAGUID) encode(b *[36]byte) {
	hex.Encode(b[:8], a[:4])
	hex.Encode(b[9:13], a[4:6])
	hex.Encode(b[14:18], a[6:8])
	hex.Encode(b[19:23], a[8:10])
	hex.Encode(b[24:], a[10:])
	b[8], b[13], b[18], b[23] = '-', '-', '-', '-'
}

// MarshalText returns what String does.
func (a AAGUID) MarshalText() ([]byte, error) {
	var b [36]byte
	a.encode(&b)
	return b[:], nil
}

// UnmarshalText is [ParseAAGUID].
func (a *AAGUID) UnmarshalText(text []byte) error {
	parsed, err := ParseAAGUID(string(text))
	if err != nil {
		return err
	}
	*a = parsed
	return nil
}
