package fido

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"time"

	"github.com/go-webauthn/webauthn/metadata"
	"github.com/go-webauthn/webauthn/protocol"

	"github.com/lakekey/lakekey/fido/keypolicy"
)

// attest verifies the attestation statement and then decides what to make of it.
// The two are different questions: a statement can be in order, and come from a
// manufacturer of whom we know nothing.
func (p *RelyingParty) attest(att *protocol.AttestationObject, clientDataJSON []byte, now time.Time) (keypolicy.Evidence, error) {
	// "Verify that attStmt is a correct attestation statement, conveying a valid
	// attestation signature, by using the attestation statement format fmt's
	// verification procedure given attStmt, authData and hash."
	hash := sha256.Sum256(clientDataJSON)
	if err := att.VerifyAttestation(hash[:], nil, protocol.AttestationPolicy{}, protocol.SignaturePolicy{}); err != nil {
		return keypolicy.Evidence{}, &VerificationError{Check: "attestation", Spec: specRegistration, Detail: foreign(err)}
	}
	m := keypolicy.Evidence{Format: att.Format, BackupEligible: att.AuthData.Flags.HasBackupEligible(), UserVerified: att.AuthData.Flags.HasUserVerified(), At: now}
	copy(m.AAGUID[:], att.AuthData.AttData.AAGUID)
	chain, err := certificates(att)
	if err != nil {
		return keypolicy.Evidence{}, &VerificationError{Check: "attestation", Spec: specRegistration, Detail: err.Error()}
	}
	if protocol.AttestationFormat(att.Format) == protocol.AttestationFormatFIDOUniversalSecondFactor {
		// U2F has no AAGUID in its authenticator data; what stands there is the
		// client's filling. The certificate may name the model, §8.2.1.
		m.AAGUID = keypolicy.AAGUID{}
		if len(chain) > 0 {
			m.AAGUID = certificateAAGUID(chain[0])
		}
	}
	switch {
	case protocol.AttestationFormat(att.Format) == protocol.AttestationFormatNone:
		m.Note = "no attestation"
	case att.Type == string(metadata.BasicSurrogate):
		m.Verdict, m.Note = keypolicy.Self, "signed with the credential's own key"
	case len(chain) == 0:
		m.Note = att.Format + ": no certificate chain to check"
	default:
		p.root(&m, att.Format, chain, now)
	}
	return m, nil
}

// root raises the verdict if the chain ends at a configured root.
//
// "Otherwise, use the X.509 certificates returned as the attestation trust path
// from the verification procedure to verify that the attestation public key
// either correctly chains up to an acceptable root certificate, or is itself an
// acceptable certificate."
//
// Only configured roots go into the pool of roots. A self-signed certificate
// that a key sent along is not even an intermediate: otherwise a key could bring
// the authority that vouches for it.
func (p *RelyingParty) root(m *keypolicy.Evidence, format string, chain []*x509.Certificate, now time.Time) {
	roots, intermediates := x509.NewCertPool(), x509.NewCertPool()
	for _, r := range p.cfg.Roots {
		roots.AddCert(r.Certificate)
	}
	for _, c := range chain[1:] {
		if c.CheckSignatureFrom(c) != nil {
			intermediates.AddCert(c)
		}
	}
	verified, err := chain[0].Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: intermediates, CurrentTime: now,
		// An attestation certificate is not a TLS server's.
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	})
	if err != nil {
		m.Note = format + ": certificate chains to no configured root"
		return
	}
	m.Verdict, m.RootedBy = keypolicy.Rooted, "pinned"
	for _, v := range verified {
		for _, r := range p.cfg.Roots {
			if v[len(v)-1].Equal(r.Certificate) {
				m.Hardware = m.Hardware || r.Hardware
				m.Note = format + ": certificate chains to " + r.Certificate.Subject.String()
			}
		}
	}
}

// maxChain is more than any attestation has and little enough to verify.
const maxChain = 8

// certificates returns the statement's x5c, the attestation certificate first,
// or nil if it has none.
func certificates(att *protocol.AttestationObject) ([]*x509.Certificate, error) {
	raw, ok := att.AttStatement["x5c"].([]any)
	if !ok {
		return nil, nil
	}
	if len(raw) > maxChain {
		return nil, errLongChain
	}
	chain := make([]*x509.Certificate, 0, len(raw))
	for _, der := range raw {
		b, ok := der.([]byte)
		if !ok {
			return nil, errBadCertificate
		}
		c, err := x509.ParseCertificate(b)
		if err != nil {
			return nil, errBadCertificate
		}
		chain = append(chain, c)
	}
	return chain, nil
}

// oidAAGUID is id-fido-gen-ce-aaguid.
// https://www.w3.org/TR/webauthn-3/#sctn-packed-attestation-cert-requirements
var oidAAGUID = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 45724, 1, 1, 4}

// certificateAAGUID returns the model that a certificate names, or zero.
func certificateAAGUID(c *x509.Certificate) (a keypolicy.AAGUID) {
	for _, e := range c.Extensions {
		if !e.Id.Equal(oidAAGUID) {
			continue
		}
		var b []byte
		if rest, err := asn1.Unmarshal(e.Value, &b); err == nil && len(rest) == 0 && len(b) == len(a) {
			copy(a[:], b)
		}
	}
	return a
}
