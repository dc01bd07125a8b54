package softkey

import (
	"crypto"
	"crypto/sha256"
	"encoding/binary"
)

// attester is a key's own attestation key with its certificates.
type attester struct {
	key   crypto.Signer
	chain []any // DER, the leaf first, without the root
}

// attest returns the statement in which the key vouches for a new credential:
// packed (https://www.w3.org/TR/webauthn-3/#sctn-packed-attestation), by the
// credential itself when there is no attester, or none.
func (k *Key) attest(c *credential, signed []byte) (format string, statement map[any]any, err error) {
	if k.opts.NoAttestation {
		return "none", map[any]any{}, nil
	}
	signer, statement := c.signer, map[any]any{"alg": c.Algorithm}
	if k.attester != nil {
		signer = k.attester.key
		statement["alg"] = algES256
		statement["x5c"] = k.attester.chain
	}
	sig, err := sign(signer, signed)
	if err != nil {
		return "", nil, errOther
	}
	statement["sig"] = sig
	return "packed", statement, nil
}

// Flags of the authenticator data, https://www.w3.org/TR/webauthn-3/#authdata-flags.
// BE and BS stay 0: these credentials are never backed up by the key.
const (
	flagUP byte = 1 << 0
	flagUV byte = 1 << 2
	flagAT byte = 1 << 6
	flagED byte = 1 << 7
)

// authenticatorData returns the fixed 37 bytes that everything starts with.
func authenticatorData(rpID string, flags byte, count uint32) []byte {
	hash := sha256.Sum256([]byte(rpID))
	return binary.BigEndian.AppendUint32(append(hash[:], flags), count)
}

// attestedData appends the attested credential data of §6.5.1.
func attestedData(dst []byte, aaguid [16]byte, c *credential) ([]byte, error) {
	public, err := c.cosePublicKey()
	if err != nil {
		return nil, errOther
	}
	dst = append(dst, aaguid[:]...)
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(c.ID)))
	dst = append(dst, c.ID...)
	return encode(dst, public), nil
}
