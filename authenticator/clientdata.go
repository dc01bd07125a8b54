package authenticator

import (
	"encoding/base64"
	"fmt"
	"unicode/utf8"
)

const (
	typeCreate = "webauthn.create"
	typeGet    = "webauthn.get"
)

// clientDataJSON serialises the client data byte for byte as verifiers with the
// limited algorithm of §5.8.1.2 compare it: the members in this order, no space.
// Nothing may be appended that a JSON library thinks fit, so it is written by hand.
//
// https://www.w3.org/TR/webauthn-3/#clientdatajson-serialization
func clientDataJSON(kind string, challenge []byte, o *origin) []byte {
	b := []byte(`{"type":`)
	b = appendCCD(b, kind)
	b = append(b, `,"challenge":`...)
	b = appendCCD(b, base64.RawURLEncoding.EncodeToString(challenge))
	b = append(b, `,"origin":`...)
	b = appendCCD(b, o.serialized)
	return append(b, `,"crossOrigin":false}`...)
}

// appendCCD is CCDToString: only the quotation mark, the backslash and the control
// characters are escaped, unlike what encoding/json does.
func appendCCD(b []byte, s string) []byte {
	b = append(b, '"')
	for _, r := range s {
		switch {
		case r == '"', r == '\\':
			b = append(b, '\\', byte(r))
		case r < 0x20:
			b = fmt.Appendf(b, `\u%04x`, r)
		default:
			b = utf8.AppendRune(b, r)
		}
	}
	return append(b, '"')
}
