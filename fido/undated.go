package fido

import (
	"crypto/x509"
	"encoding/asn1"
	"maps"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
)

// verifyInTime has go-webauthn verify a statement, at a time. Its procedures hold
// certificates against the clock of the machine. What counts is the relying
// party's, which a test stops and a record of long ago sets back: so the dates are
// checked here, and go-webauthn gets certificates that are valid at any time. It
// uses their keys and what they say of their subjects, and does not look at who
// has signed them: the chain is verified elsewhere, with the certificates as they
// came.
func verifyInTime(att *protocol.AttestationObject, hash []byte, now time.Time) error {
	chain, err := certificates(att)
	if err != nil {
		return err
	}
	timeless := *att
	if len(chain) > 0 {
		x5c := make([]any, len(chain))
		for i, c := range chain {
			if !dated(att.Format, i, c, now) {
				return badAttestation("a certificate that is not valid yet, or not any longer")
			}
			if x5c[i], err = undated(c.Raw); err != nil {
				return badAttestation("a certificate that cannot be parsed")
			}
		}
		timeless.AttStatement = maps.Clone(att.AttStatement)
		timeless.AttStatement["x5c"] = x5c
	}
	if err := timeless.VerifyAttestation(hash, nil, protocol.AttestationPolicy{}, protocol.SignaturePolicy{}); err != nil {
		return badAttestation(foreign(err))
	}
	return nil
}

// dated reports whether a certificate is valid at a time, as far as the procedure
// of its format asks. What is above a TPM's own is left to the chain's
// verification: without it such a key is worth less, and not wrong.
func dated(format string, i int, c *x509.Certificate, now time.Time) bool {
	return format == formatTPM && i > 0 || !now.Before(c.NotBefore) && !now.After(c.NotAfter)
}

// always is a Validity from 1950 to 9999, as far as one reaches.
// https://www.rfc-editor.org/rfc/rfc5280#section-4.1.2.5
var always = asn1.RawValue{FullBytes: []byte("\x30\x20\x17\x0d500101000000Z\x18\x0f99991231235959Z")}

// undated returns a certificate with other dates. Its signature is wrong then.
func undated(der []byte) ([]byte, error) {
	var whole struct{ TBS, Algorithm, Signature asn1.RawValue }
	if _, err := asn1.Unmarshal(der, &whole); err != nil {
		return nil, err
	}
	var fields []asn1.RawValue
	for rest := whole.TBS.Bytes; len(rest) > 0; {
		var field asn1.RawValue
		var err error
		if rest, err = asn1.Unmarshal(rest, &field); err != nil {
			return nil, err
		}
		fields = append(fields, field)
	}
	// TBSCertificate ::= SEQUENCE { version [0] OPTIONAL, serialNumber, signature,
	// issuer, validity, … https://www.rfc-editor.org/rfc/rfc5280#section-4.1
	validity := 3
	if len(fields) > 0 && fields[0].Class == asn1.ClassContextSpecific {
		validity = 4
	}
	if len(fields) <= validity {
		return nil, asn1.StructuralError{Msg: "a certificate without dates"}
	}
	fields[validity] = always
	tbs, err := asn1.Marshal(fields)
	if err != nil {
		return nil, err
	}
	whole.TBS = asn1.RawValue{FullBytes: tbs}
	return asn1.Marshal(whole)
}
