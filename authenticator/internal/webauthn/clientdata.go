package webauthn

import (
	"encoding/base64"
	"errors"
	"fmt"
	"unicode/utf8"
)

const (
	typeCreate = "webauthn.create"
	typeGet    = "webauthn.get"
)

// ClientData is what a client settles about a ceremony before any key is involved.
type ClientData struct {
	RPID   string // the relying party ID, which the origin may use
	Origin string // the origin in its one canonical form
	JSON   []byte // clientDataJSON
}

// collect decides whether an origin may use an RP ID, which may be left out.
func collect(kind, originText, rpID string, challenge []byte) (ClientData, error) {
	if len(challenge) == 0 {
		return ClientData{}, errors.New("authenticator: the options have no challenge")
	}
	o, err := parseOrigin(originText)
	if err != nil {
		return ClientData{}, err
	}
	if rpID, err = o.checkRPID(rpID); err != nil {
		return ClientData{}, err
	}
	return ClientData{RPID: rpID, Origin: o.serialized, JSON: clientDataJSON(kind, challenge, o)}, nil
}

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
