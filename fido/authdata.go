package fido

import (
	"bytes"
	"encoding/binary"

	"github.com/go-webauthn/webauthn/protocol"
)

// The flags of authenticator data.
// https://www.w3.org/TR/webauthn-3/#authdata-flags
const (
	flagUP = 1 << 0
	flagUV = 1 << 2
	flagBE = 1 << 3
	flagBS = 1 << 4
	flagAT = 1 << 6
	flagED = 1 << 7
)

type authenticatorData struct {
	rpIDHash  []byte
	flags     byte
	signCount uint32
}

// readAuthenticatorData parses the authenticator data of an assertion. Nearly
// always it has neither attested credential data nor extensions and thus its
// fixed 37 bytes; the rest is left to go-webauthn.
// https://www.w3.org/TR/webauthn-3/#sctn-authenticator-data
func readAuthenticatorData(raw []byte) (authenticatorData, error) {
	if len(raw) == 37 && raw[32]&(flagAT|flagED) == 0 {
		return authenticatorData{raw[:32], raw[32], binary.BigEndian.Uint32(raw[33:])}, nil
	}
	var parsed protocol.AuthenticatorData
	if err := parsed.Unmarshal(raw); err != nil {
		return authenticatorData{}, &VerificationError{Check: "authenticator data", Spec: specAssertion, Detail: foreign(err)}
	}
	return authenticatorData{parsed.RPIDHash, byte(parsed.Flags), parsed.Counter}, nil
}

// checkAuthenticatorData verifies what both ceremonies demand of the flags.
func (p *RelyingParty) checkAuthenticatorData(rpIDHash []byte, flags byte, r *CeremonyRecord, spec string) error {
	switch {
	// "Verify that the rpIdHash in authData is the SHA-256 hash of the RP ID
	// expected by the Relying Party."
	case !bytes.Equal(rpIDHash, p.rpIDHash[:]):
		return &VerificationError{Check: "RP ID", Spec: spec, Detail: "the key answered for another relying party than " + p.cfg.ID}
	// "If options.mediation is not set to conditional, verify that the UP bit of
	// the flags in authData is set." In a sign-in it always is.
	case flags&flagUP == 0 && !r.Conditional:
		return &VerificationError{Check: "user presence", Spec: spec, Detail: "nobody touched the key"}
	// "If the Relying Party requires user verification for this assertion, verify
	// that the UV bit of the flags in authData is set."
	case r.UserVerification == "required" && flags&flagUV == 0:
		return &VerificationError{Check: "user verification", Spec: spec, Detail: "the key did not verify its holder: set a PIN on it, or use one with a fingerprint reader"}
	// "If the BE bit of the flags in authData is not set, verify that the BS bit
	// is not set."
	case flags&flagBE == 0 && flags&flagBS != 0:
		return &VerificationError{Check: "backup state", Spec: spec, Detail: "backed up, and not eligible for backup"}
	}
	return nil
}
